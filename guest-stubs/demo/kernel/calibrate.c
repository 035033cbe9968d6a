/* calibrate.c - TSC frequency: CPUID where it says it, else the PIT, else 0. */
#include "internal.h"

#define PIT_HZ 1193182u
#define PIT_COUNT 23864u /* 20 ms */

static uint32_t from_cpuid(void)
{
	struct cpuid top = cpuid(0), r;

	if (cpuid(1).c >> 31 & 1) { /* a hypervisor: its timing leaf, when it has one */
		r = cpuid(0x40000000);
		if (r.a >= 0x40000010 && r.a < 0x40010000 && cpuid(0x40000010).a != 0)
			return cpuid(0x40000010).a;
	}
	if (top.a < 0x15)
		return 0;
	r = cpuid(0x15);
	if (r.a == 0 || r.b == 0 || r.c == 0)
		return 0;
	return (uint32_t)((uint64_t)r.c * r.b / r.a / 1000);
}

static uint32_t pit_count(void)
{
	uint32_t low;

	outb(0x43, 0); /* latch channel 0 */
	low = inb(0x40);
	return low | (uint32_t)inb(0x40) << 8;
}

/* Channel 0 counts down from 65535, its interrupt masked; 0 when there is no PIT. (Channel 2 would need
 * port 0x61, which microvm hasn't.) */
static uint32_t from_pit(void)
{
	uint64_t begin, end;
	uint32_t first, last, still = 0;

	outb(0x43, 0x30);
	outb(0x40, 0xff);
	outb(0x40, 0xff);
	first = last = pit_count();
	begin = end = rdtsc();
	while (first - last < PIT_COUNT) {
		uint32_t now = pit_count();

		still = now == last ? still + 1 : 0;
		if (now > last || still > 10000)
			return 0;
		last = now;
		end = rdtsc();
	}
	return (uint32_t)((end - begin) * PIT_HZ / (first - last) / 1000);
}

static uint32_t median(uint32_t a, uint32_t b, uint32_t c)
{
	if (a > b)
		return b > c ? b : a < c ? a : c;
	return a > c ? a : b < c ? b : c;
}

uint32_t calibrate_tsc(void)
{
	uint32_t khz = from_cpuid(), k[3];

	if (khz != 0)
		return khz;
	/* A delay of the host between the two readings spoils one of them: the middle one of three. */
	for (int i = 0; i < 3; i++)
		k[i] = from_pit();
	return median(k[0], k[1], k[2]);
}
