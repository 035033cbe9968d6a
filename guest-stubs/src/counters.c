/* counters.c - counters and gauges. */
#include "internal.h"

uniobs_counter_t *uniobs_counter_new(const char *name, uint16_t kind, uint16_t unit)
{
	struct uniobs_state *s = &uniobs_state;
	struct uniobs_counter *row = 0;
	uint64_t guard;
	uint32_t i;

	UNIOBS_ENTER(guard);
	for (i = 0; i < s->counter_rows && !row; i++)
		if (s->counters[i].kind == UNIOBS_COUNTER_KIND_FREE)
			row = &s->counters[i];
	if (row) {
		row->name = uniobs_string_held(name);
		row->unit = unit;
		row->value = 0, row->inverse = ~0ull;
		uniobs_order();
		row->kind = kind;
		row->check = (uint32_t)(uniobs_sum(0, row, offsetof(struct uniobs_counter, value)) >> 32);
	}
	UNIOBS_EXIT(guard);
	return row;
}

void uniobs_count(uniobs_counter_t *row, uint64_t n)
{
	if (row) {
		UNIOBS_ADD64(&row->value, n);
		UNIOBS_ADD64(&row->inverse, 0 - n);
	}
}

void uniobs_gauge(uniobs_counter_t *row, uint64_t value)
{
	uint64_t guard;

	if (!row)
		return;
	UNIOBS_ENTER(guard);
	row->value = value, row->inverse = ~value;
	UNIOBS_EXIT(guard);
}
