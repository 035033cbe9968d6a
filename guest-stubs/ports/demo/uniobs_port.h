/* uniobs_port.h - the demo guest: one CPU, so the guard is "interrupts off" and one trace ring does. */
#ifndef UNIOBS_PORT_DEMO_H
#define UNIOBS_PORT_DEMO_H

#include <stdint.h>

static inline uint64_t uniobs_port_tsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static inline uint64_t uniobs_port_irq_save(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	return flags;
}

static inline void uniobs_port_irq_restore(uint64_t flags)
{
	if (flags & 0x200)
		__asm__ volatile("sti" : : : "memory");
}

#define UNIOBS_CLOCK() uniobs_port_tsc()
#define UNIOBS_ENTER(flags) ((flags) = uniobs_port_irq_save())
#define UNIOBS_EXIT(flags) uniobs_port_irq_restore(flags)

#endif
