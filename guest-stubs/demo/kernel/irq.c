/* irq.c - device interrupt handlers, and the quiet state of park and panic. */
#include "internal.h"

struct action { struct action *next; irq_handler handler; void *arg; };
static struct action actions[32], *by_gsi[GSI_MAX];
static unsigned actions_used;
volatile bool quiet;

int irq_register(unsigned gsi, bool level, bool active_low, irq_handler handler, void *arg)
{
	uint64_t flags = irq_save();
	struct action *a;
	int result = UNIOBS_EINVAL;

	if (gsi < ioapic_inputs() && actions_used < sizeof(actions) / sizeof(actions[0])) {
		a = &actions[actions_used++];
		*a = (struct action){ by_gsi[gsi], handler, arg };
		by_gsi[gsi] = a;
		ioapic_route(gsi, (uint8_t)(VECTOR_GSI + gsi), level, active_low);
		result = 0;
	}
	irq_restore(flags);
	return result;
}

void irq_dispatch(unsigned gsi)
{
	for (struct action *a = by_gsi[gsi]; a != NULL; a = a->next)
		a->handler(a->arg);
}

/* The task priority holds device vectors back in the APIC, edges included: nothing is lost, and the
 * CPU can still sleep from tick to tick. Ticks come faster so that the channel answers sooner. */
void quiet_begin(void)
{
	quiet = true;
	for (int i = 0; i < 4; i++)
		apic_eoi(); /* whoever dies in a handler leaves it in service, and the timer behind it */
	write_cr8(VECTOR_TIMER / 16 - 1);
	apic_timer_start(10 * TICK_HZ);
}

void quiet_end(void)
{
	apic_timer_start(TICK_HZ);
	write_cr8(0);
	quiet = false;
}
