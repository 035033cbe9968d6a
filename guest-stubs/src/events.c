/* events.c - event descriptors: what the words of an event mean. */
#include "internal.h"

#if UNIOBS_WITH_TRACE

uint16_t uniobs_event(const char *name, uint8_t phase, uint8_t category, uint16_t pair,
		      const struct uniobs_arg_def *args, uint8_t nargs)
{
	struct uniobs_state *s = &uniobs_state;
	struct uniobs_event_arg *out;
	struct uniobs_event *row;
	uint64_t guard, sum;
	uint16_t id = 0;
	uint32_t at, i;

	UNIOBS_ENTER(guard);
	if (s->event_used < s->event_rows && nargs <= sizeof row->args / sizeof *out) {
		id = (uint16_t)s->event_used++;
		row = &s->events[id];
		out = (struct uniobs_event_arg *)row->args;
		row->name = uniobs_string_held(name);
		row->pair = pair, row->phase = phase, row->category = category, row->nargs = nargs;
		for (i = 0; i < nargs; i++) {
			at = uniobs_string_held(args[i].name);
			out[i].kind = args[i].kind, out[i].pos = args[i].pos;
			out[i].name = at <= 0xffff ? (uint16_t)at : 0;
		}
		row->id = id;
		row->enabled = 1, row->check = 0;
		sum = uniobs_sum(0, row, sizeof *row) >> 32;
		row->enabled = 0, row->check = (uint32_t)sum;
		__atomic_store_n(&row->enabled, 1, __ATOMIC_RELEASE);
	}
	UNIOBS_EXIT(guard);
	return id;
}

uint32_t uniobs_pack(uint64_t *words, uint32_t n, const void *data, uint32_t length, uint32_t max)
{
	uint32_t captured, room;

	if (n >= UNIOBS_WORDS_MAX)
		return n;
	room = (UNIOBS_WORDS_MAX - n - 1) * 8;
	captured = !data ? 0 : length < max ? length : max;
	if (captured > room)
		captured = room;
	words[n++] = (data ? length : 0) | (uint64_t)captured << 32;
	if (captured) {
		words[n + (captured - 1) / 8] = 0;
		uniobs_copy(&words[n], data, captured);
	}
	return n + (captured + 7) / 8;
}

#endif
