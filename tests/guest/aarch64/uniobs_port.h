/* uniobs_port.h - a bare aarch64 guest with interrupts off: nobody interrupts anybody. */
#ifndef UNIOBS_PORT_AARCH64_H
#define UNIOBS_PORT_AARCH64_H

#include <stdint.h>

static inline uint64_t uniobs_port_clock(void)
{
	uint64_t now;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(now));
	return now;
}

#define UNIOBS_CLOCK() uniobs_port_clock()
#define UNIOBS_ENTER(flags) ((flags) = 0)
#define UNIOBS_EXIT(flags) ((void)(flags))

#endif
