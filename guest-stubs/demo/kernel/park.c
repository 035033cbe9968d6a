/* park.c - hold the whole guest still, its tables printed, only the channel served. */
#include "internal.h"

void (*channel_poll)(void);

void park(uint32_t ms)
{
	uint64_t flags = irq_save(), until;

	quiet_begin();
	dump_all();
	until = rdtsc() + ms_to_tsc(ms);
	while (rdtsc() < until && !console_input()) {
		if (channel_poll != NULL)
			channel_poll();
		wait_for_interrupt();
	}
	quiet_end();
	irq_restore(flags);
}
