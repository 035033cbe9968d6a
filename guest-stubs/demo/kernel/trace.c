/* trace.c - the kernel's own trace events. trace=LIST on the command line chooses among switch, lock, irq; the
 * default leaves interrupts out, which would push everything else out of the ring. */
#include "internal.h"

static uint16_t lock_event, irq_event;

/* Whether word is in the comma-separated list. */
static bool listed(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p != NULL; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, word, n) == 0 && (p[n] == '\0' || p[n] == ','))
			return true;
	}
	return false;
}

/* The switch that readers and the library know: the event row's "enabled". */
static void enable(uint16_t id, bool on)
{
	uint8_t *base = uniobs_region(NULL);
	const struct uniobs_header *header = (const struct uniobs_header *)base;
	const struct uniobs_section *section = (const struct uniobs_section *)(base + UNIOBS_DIRECTORY_OFFSET);

	for (uint32_t i = 0; base != NULL && i < header->section_count; i++)
		if (section[i].kind == UNIOBS_SECTION_EVENTS && id < section[i].entry_count)
			((struct uniobs_event *)(base + section[i].offset))[id].enabled = on;
}

void trace_init(void)
{
	static const struct uniobs_arg_def lock_args[] = { { UNIOBS_ARG_LOCK, 0, "lock" }, { UNIOBS_ARG_TID, 0, "owner" } };
	static const struct uniobs_arg_def irq_args[] = { { UNIOBS_ARG_U64, 0, "gsi" }, { UNIOBS_ARG_PTR, 0, "rip" } };
	const char *list = cmdline_option("trace");

	if (list == NULL)
		list = "switch,lock";
	lock_event = uniobs_event("lock_wait", UNIOBS_PHASE_INSTANT, UNIOBS_CATEGORY_LOCK, 0, lock_args, 2);
	irq_event = uniobs_event("irq", UNIOBS_PHASE_INSTANT, UNIOBS_CATEGORY_IRQ, 0, irq_args, 2);
	enable(UNIOBS_EVENT_SWITCH, listed(list, "switch"));
	enable(lock_event, listed(list, "lock"));
	enable(irq_event, listed(list, "irq"));
}

void trace_lock(uint64_t va, uint32_t owner)
{
	uniobs_emit2(lock_event, thread_tid(), va, owner);
}

void trace_irq(unsigned gsi, uint64_t rip)
{
	uniobs_emit2(irq_event, thread_tid(), gsi, rip);
}
