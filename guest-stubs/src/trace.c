/* trace.c - events into the trace rings. */
#include "internal.h"

#if UNIOBS_WITH_TRACE

/* The ring of this context, or NULL (counted). */
static inline struct uniobs_ring *ring_here(void)
{
	const struct uniobs_state *s = &uniobs_state;
	uint32_t i = UNIOBS_RING();

	if (__builtin_expect(i >= s->trace_rings, 0)) {
		UNIOBS_ADD64(&s->live->trace_off, 1);
		return 0;
	}
	return (struct uniobs_ring *)(s->trace + i * s->trace_stride);
}

static inline int enabled(uint16_t id)
{
	const struct uniobs_state *s = &uniobs_state;

	return id < s->event_rows && __atomic_load_n(&s->events[id].enabled, __ATOMIC_RELAXED);
}

uint64_t uniobs_emit2(uint16_t id, uint32_t tid, uint64_t w0, uint64_t w1)
{
	struct uniobs_ring *ring;
	struct uniobs_slot *slot;
	uint64_t guard, position, time;

	if (!enabled(id))
		return 0;
	UNIOBS_TRACE_ENTER(guard);
	time = UNIOBS_CLOCK();
	ring = ring_here();
	if (__builtin_expect(ring != 0, 1)) {
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
	struct uniobs_ring *ring;
	uint64_t guard, time;
	uint32_t cut = n > UNIOBS_WORDS_MAX;

	if (!enabled(id))
		return 0;
	UNIOBS_TRACE_ENTER(guard);
	time = UNIOBS_CLOCK();
	ring = ring_here();
	if (ring)
		uniobs_ring_put(ring, uniobs_state.trace_mask, id | tid << 16, time, words, cut ? UNIOBS_WORDS_MAX : n, cut);
	UNIOBS_TRACE_EXIT(guard);
	return time;
}

#endif
