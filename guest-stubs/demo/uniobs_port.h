/* uniobs_port.h - the library in this guest: one CPU, interrupts and preemption; both held off by IF. */
#ifndef DEMO_UNIOBS_PORT_H
#define DEMO_UNIOBS_PORT_H

#include <stdint.h>

static inline uint64_t uniobs_port_clock(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static inline uint64_t uniobs_port_enter(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	return flags;
}

static inline void uniobs_port_exit(uint64_t flags)
{
	if (flags & 0x200)
		__asm__ volatile("sti" : : : "memory");
}

#define UNIOBS_CLOCK() uniobs_port_clock()
#define UNIOBS_ENTER(flags) ((flags) = uniobs_port_enter())
#define UNIOBS_EXIT(flags) uniobs_port_exit(flags)

#endif
