/* calibrate.c - TSC frequency: CPUID where it says it, else the PIT, else a guess that time needs to pass at all. */
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

/* Channel 2, gated by port 0x61, counts PIT_COUNT down once; 0 when there is no PIT. */
static uint32_t from_pit(void)
{
	uint64_t begin, end, spins = 0;

	outb(0x61, (inb(0x61) & 0xfc) | 1);
	outb(0x43, 0xb0);
	outb(0x42, PIT_COUNT & 0xff);
	outb(0x42, PIT_COUNT >> 8);
	begin = rdtsc();
	if (inb(0x61) & 0x20)
		return 0;
	while (!(inb(0x61) & 0x20))
		if (++spins > 10000000)
			return 0;
	end = rdtsc();
	return (uint32_t)((end - begin) * PIT_HZ / PIT_COUNT / 1000);
}

uint32_t calibrate_tsc(void)
{
	uint32_t khz = from_cpuid(), best = 0;

	if (khz != 0)
		return khz;
	/* A delay of the host can only make an interval longer: the shortest of three is the best. */
	for (int i = 0; i < 3; i++) {
		khz = from_pit();
		if (khz != 0 && (best == 0 || khz < best))
			best = khz;
	}
	return best != 0 ? best : 1000000;
}
