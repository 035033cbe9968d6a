/* memory.c - heap totals; allocations by call site, in an open-addressed table. */
#include "internal.h"

#if UNIOBS_WITH_SITES

void uniobs_heap_set(const struct uniobs_heap *from)
{
	struct uniobs_heap *row = uniobs_state.heap;

	if (row)
		uniobs_row_set(&row->seq, from, sizeof *row);
}

/* The row of pc, or an empty one; NULL when neither is near. Rows are never given back. */
static struct uniobs_site *find(uint64_t pc)
{
	struct uniobs_state *s = &uniobs_state;
	uint32_t i, at;

	if (!s->site_rows)
		return 0;
	at = (uint32_t)((pc * 0x9e3779b97f4a7c15u >> 32) * s->site_rows >> 32);
	for (i = 0; i < UNIOBS_SITE_PROBES && i < s->site_rows; i++) {
		if (s->sites[at].pc == pc || !s->sites[at].pc)
			return &s->sites[at];
		at = at + 1 < s->site_rows ? at + 1 : 0;
	}
	return 0;
}

void uniobs_alloc(uint64_t pc, uint64_t bytes)
{
	struct uniobs_site *row;
	uint64_t guard;

	UNIOBS_ENTER(guard);
	row = find(pc);
	if (row) {
		uniobs_row_begin(&row->seq);
		row->pc = pc;
		row->live_bytes += bytes, row->total_bytes += bytes;
		row->live_count++, row->total_count++;
		UNIOBS_ROW_END(row);
	} else if (uniobs_state.live) {
		uniobs_overflow(&uniobs_state.live->site_overflow);
	}
	UNIOBS_EXIT(guard);
}

void uniobs_free(uint64_t pc, uint64_t bytes)
{
	struct uniobs_site *row;
	uint64_t guard;

	UNIOBS_ENTER(guard);
	row = find(pc);
	/* An allocation that found no room has no row, or came before others of its site that found one. */
	if (row && row->pc && row->live_count && row->live_bytes >= bytes) {
		uniobs_row_begin(&row->seq);
		row->live_bytes -= bytes, row->live_count--;
		UNIOBS_ROW_END(row);
	}
	UNIOBS_EXIT(guard);
}

#endif
