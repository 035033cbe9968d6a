/* apic.c - local APIC (timer, end of interrupt) and IOAPICs (device lines). */
#include "internal.h"

#define MSR_APIC_BASE 0x1bu
#define LAPIC_EOI 0xb0
#define LAPIC_SPURIOUS 0xf0
#define LAPIC_LVT_TIMER 0x320
#define LAPIC_LVT_LINT0 0x350
#define LAPIC_LVT_LINT1 0x360
#define LAPIC_INITIAL 0x380
#define LAPIC_CURRENT 0x390
#define LAPIC_DIVIDE 0x3e0
#define LVT_MASKED 0x10000u
#define LVT_PERIODIC 0x20000u

/* A machine has one IOAPIC, QEMU's microvm two when its ACPI is on. */
static const uint64_t ioapic_base[] = { 0xfec00000, 0xfec10000 };
#define IOAPIC_PINS 24u
static volatile uint32_t *lapic;
static unsigned ioapics;
static uint64_t timer_hz;

static void lapic_write(unsigned reg, uint32_t v)
{
	lapic[reg / 4] = v;
}

static uint32_t ioapic_read(unsigned n, uint32_t reg)
{
	volatile uint32_t *io = (volatile uint32_t *)ioapic_base[n];

	io[0] = reg;
	return io[4];
}

static void ioapic_write(unsigned n, uint32_t reg, uint32_t v)
{
	volatile uint32_t *io = (volatile uint32_t *)ioapic_base[n];

	io[0] = reg;
	io[4] = v;
}

unsigned ioapic_inputs(void)
{
	return ioapics * IOAPIC_PINS;
}

void ioapic_route(unsigned gsi, uint8_t vector, bool level, bool active_low)
{
	uint32_t reg = 0x10 + gsi % IOAPIC_PINS * 2;

	ioapic_write(gsi / IOAPIC_PINS, reg + 1, 0);
	ioapic_write(gsi / IOAPIC_PINS, reg, vector | (active_low ? 1u << 13 : 0) | (level ? 1u << 15 : 0));
}

void apic_eoi(void)
{
	lapic_write(LAPIC_EOI, 0);
}

void apic_timer_start(unsigned hz)
{
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER | LVT_PERIODIC);
	lapic_write(LAPIC_INITIAL, (uint32_t)(timer_hz / hz));
}

/* How fast the timer counts (divided by 16), against the TSC. */
static void timer_calibrate(void)
{
	uint64_t until = rdtsc() + ms_to_tsc(10);

	lapic_write(LAPIC_DIVIDE, 3);
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	lapic_write(LAPIC_INITIAL, 0xffffffff);
	while (rdtsc() < until)
		__asm__ volatile("pause");
	timer_hz = (uint64_t)(0xffffffff - lapic[LAPIC_CURRENT / 4]) * 100;
	lapic_write(LAPIC_INITIAL, 0);
}

void apic_init(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	outb(0x21, 0xff); /* the old controllers stay silent */
	outb(0xa1, 0xff);
	wrmsr(MSR_APIC_BASE, base | 0x800);
	lapic = map_mmio(base & 0xfffff000, PAGE);
	lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT1, 0x400); /* NMI: how a hung guest is made to panic from outside */
	lapic_write(LAPIC_SPURIOUS, 0x100 | VECTOR_SPURIOUS);
	write_cr8(0);
	for (unsigned n = 0; n < 2; n++) {
		map_mmio(ioapic_base[n], PAGE);
		if ((ioapic_read(n, 1) >> 16 & 0xff) != IOAPIC_PINS - 1)
			break;
		ioapics++;
		for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++)
			ioapic_write(n, 0x10 + pin * 2, LVT_MASKED);
	}
	timer_calibrate();
}
