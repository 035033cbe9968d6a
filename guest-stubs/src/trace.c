/* trace.c - events into the trace rings. */
#include "internal.h"

#if UNIOBS_WITH_TRACE

static __attribute__((noinline)) void dropped(void)
{
	uint64_t guard;

	if (!uniobs_state.live)
		return;
	UNIOBS_ENTER(guard);
	uniobs_overflow(&uniobs_state.live->trace_off);
	UNIOBS_EXIT(guard);
}

/* Whether this context has a ring; that it has none is counted. */
static inline int has_ring(uint32_t index)
{
	if (__builtin_expect(index < uniobs_state.trace_rings, 1))
		return 1;
	dropped();
	return 0;
}

static inline struct uniobs_ring *ring_at(uint32_t index)
{
	return (struct uniobs_ring *)(uniobs_state.trace + index * uniobs_state.trace_stride);
}

struct uniobs_gate uniobs_gate;

#if UNIOBS_MINIMAL
/* Small rather than fast. */
uint64_t uniobs_emit2(uint16_t id, uint32_t tid, uint64_t w0, uint64_t w1)
{
	const uint64_t words[2] = { w0, w1 };

	return uniobs_emit(id, tid, words, 2);
}
#else
/* Apart from the test of enabled, so that a disabled event saves no registers. */
static __attribute__((noinline)) uint64_t put2(uint16_t id, uint32_t tid, uint64_t w0, uint64_t w1)
{
	struct uniobs_ring *ring;
	struct uniobs_slot *slot;
	uint64_t guard, position, time;
	uint32_t index;

	UNIOBS_TRACE_ENTER(guard);
	index = UNIOBS_RING();
	if (has_ring(index)) {
		ring = ring_at(index);
		/* Reserved before the clock is read: whoever merges rings by time sees that an older event is to come. */
		position = uniobs_reserve(ring, 1);
		time = UNIOBS_CLOCK();
		slot = (struct uniobs_slot *)(ring + 1) + (position & uniobs_state.trace_mask);
		UNIOBS_POINT();
		uniobs_slot_open(&slot->seq, position);
		UNIOBS_POINT();
		slot->info = id;
		slot->tid = (uint16_t)tid;
		slot->time = time;
		slot->w0 = w0;
		UNIOBS_POINT();
		slot->w1 = w1;
		uniobs_slot_commit(&slot->seq, position, uniobs_slot_sum(id | tid << 16, time, w0, w1));
		uniobs_ring_count(&ring->events);
	} else {
		time = UNIOBS_CLOCK();
	}
	UNIOBS_TRACE_EXIT(guard);
	return time;
}

uint64_t uniobs_emit2(uint16_t id, uint32_t tid, uint64_t w0, uint64_t w1)
{
	return uniobs_on(id) ? put2(id, tid, w0, w1) : 0;
}
#endif

uint64_t uniobs_emit(uint16_t id, uint32_t tid, const uint64_t *words, uint32_t n)
{
	uint64_t guard, time;
	uint32_t index, cut = n > UNIOBS_WORDS_MAX;

	if (!uniobs_on(id))
		return 0;
	UNIOBS_TRACE_ENTER(guard);
	index = UNIOBS_RING();
	time = has_ring(index) ? uniobs_ring_put(ring_at(index), uniobs_state.trace_mask, id | tid << 16, words,
						 cut ? UNIOBS_WORDS_MAX : n, cut) : UNIOBS_CLOCK();
	UNIOBS_TRACE_EXIT(guard);
	return time;
}

#endif
