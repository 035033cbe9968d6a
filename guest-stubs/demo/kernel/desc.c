/* desc.c - segment, task and interrupt descriptors. */
#include "internal.h"

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3], reserved1, ist[7], reserved2;
	uint16_t reserved3, iomap;
} __attribute__((packed));

struct gate { uint16_t low, selector; uint8_t ist, type; uint16_t mid; uint32_t high, reserved; };
struct pointer { uint16_t limit; uint64_t base; } __attribute__((packed));

extern char interrupt_stubs[];

static uint64_t gdt[5] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0, 0 };
static struct gate idt[256];
static struct tss tss;
/* Faults don't trust the thread's stack: it may be the reason. A double fault has its own once more. */
static uint8_t fault_stack[16384] __attribute__((aligned(16)));
static uint8_t double_stack[16384] __attribute__((aligned(16)));

static void load_tss(void)
{
	uint64_t base = (uint64_t)&tss;

	tss.ist[IST_FAULT - 1] = (uint64_t)(fault_stack + sizeof(fault_stack));
	tss.ist[IST_DOUBLE - 1] = (uint64_t)(double_stack + sizeof(double_stack));
	tss.iomap = sizeof(tss);
	gdt[3] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
	gdt[4] = base >> 32;
}

void desc_init(void)
{
	struct pointer p = { sizeof(gdt) - 1, (uint64_t)gdt };

	load_tss();
	__asm__ volatile("lgdt %0; ltr %w1" : : "m"(p), "r"(24) : "memory");
	for (unsigned v = 0; v < 256; v++) {
		uint64_t entry = (uint64_t)interrupt_stubs + v * 16;
		uint8_t ist = v == 8 || v == 2 || v == 18 ? IST_DOUBLE : v < 32 ? IST_FAULT : 0;

		idt[v] = (struct gate){ (uint16_t)entry, 8, ist, 0x8e, (uint16_t)(entry >> 16), (uint32_t)(entry >> 32), 0 };
	}
	p = (struct pointer){ sizeof(idt) - 1, (uint64_t)idt };
	__asm__ volatile("lidt %0" : : "m"(p) : "memory");
}
