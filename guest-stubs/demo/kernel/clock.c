/* clock.c - time: TSC, calibrated once, and the wall clock's anchor. */
#include "internal.h"

/* Without any clock to measure against: sleeps must end some time, but readers are told "unknown". */
#define GUESS_KHZ 1000000u

uint32_t tsc_khz;
uint64_t boot_tsc, boot_wall_ns;

uint64_t clock_tsc(void)
{
	return rdtsc();
}

/* delta * 1e6 / tsc_khz, 128 bits wide in between: the region's own formula. */
static uint64_t tsc_to_ns(uint64_t delta)
{
	uint64_t lo = delta, hi;

	if (tsc_khz == 0)
		return 0;
	__asm__("mulq %2; divq %3" : "+a"(lo), "=&d"(hi) : "r"(1000000ull), "r"((uint64_t)tsc_khz) : "cc");
	return lo;
}

uint64_t ms_to_tsc(uint32_t ms)
{
	return (uint64_t)ms * tsc_khz;
}

uint64_t clock_ns(void)
{
	return tsc_to_ns(rdtsc() - boot_tsc);
}

uint64_t clock_wall_ns(void)
{
	return boot_wall_ns == 0 ? 0 : boot_wall_ns + clock_ns();
}

void clock_init(void)
{
	uint32_t khz;
	uint64_t wall = 0;

	if (!pvclock_read(&khz, &wall))
		khz = calibrate_tsc();
	tsc_khz = khz != 0 ? khz : GUESS_KHZ;
	if (wall == 0)
		wall = rtc_wall_ns();
	if (wall != 0)
		boot_wall_ns = wall - clock_ns();
	uniobs_set_clock(khz, boot_tsc, boot_wall_ns);
}
