/* trace.c - events into the trace rings. */
#include "internal.h"

#if UNIOBS_WITH_TRACE

/* Whether this context has a ring; that it has none is counted. */
static inline int has_ring(uint32_t index)
{
	if (__builtin_expect(index < uniobs_state.trace_rings, 1))
		return 1;
	UNIOBS_ADD64(&uniobs_state.live->trace_off, 1);
	return 0;
}

static inline struct uniobs_ring *ring_at(uint32_t index)
{
	return (struct uniobs_ring *)(uniobs_state.trace + index * uniobs_state.trace_stride);
}

struct uniobs_gate uniobs_gate;

uint64_t uniobs_emit2(uint16_t id, uint32_t tid, uint64_t w0, uint64_t w1)
{
	struct uniobs_ring *ring;
	struct uniobs_slot *slot;
	uint64_t guard, position, time;
	uint32_t index;

	if (!uniobs_on(id))
		return 0;
	UNIOBS_TRACE_ENTER(guard);
	time = UNIOBS_CLOCK();
	index = UNIOBS_RING();
	if (has_ring(index)) {
		ring = ring_at(index);
		position = uniobs_reserve(ring, 1);
		slot = (struct uniobs_slot *)(ring + 1) + (position & uniobs_state.trace_mask);
		uniobs_slot_open(&slot->seq, position);
		slot->info = id;
		slot->tid = (uint16_t)tid;
		slot->time = time;
		slot->w0 = w0;
		slot->w1 = w1;
		uniobs_slot_commit(&slot->seq, position);
		uniobs_ring_count(&ring->events);
	}
	UNIOBS_TRACE_EXIT(guard);
	return time;
}

uint64_t uniobs_emit(uint16_t id, uint32_t tid, const uint64_t *words, uint32_t n)
{
	uint64_t guard, time;
	uint32_t index, cut = n > UNIOBS_WORDS_MAX;

	if (!uniobs_on(id))
		return 0;
	UNIOBS_TRACE_ENTER(guard);
	time = UNIOBS_CLOCK();
	index = UNIOBS_RING();
	if (has_ring(index))
		uniobs_ring_put(ring_at(index), uniobs_state.trace_mask, id | tid << 16, time, words, cut ? UNIOBS_WORDS_MAX : n, cut);
	UNIOBS_TRACE_EXIT(guard);
	return time;
}

#endif
