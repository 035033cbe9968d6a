/* ring.c - an event of any length into a ring of 32-byte slots. The rules are in SPEC.md, "Rings". */
#include "internal.h"

#if UNIOBS_WITH_TRACE || UNIOBS_WITH_LOG

uint64_t uniobs_ring_put(struct uniobs_ring *ring, uint32_t mask, uint32_t info, const uint64_t *words,
			 uint32_t n, uint32_t truncated)
{
	const uint32_t parts = n > 2 ? n / 3 : 0;  /* ceil((n - 2) / 3) */
	uint64_t position = uniobs_reserve(ring, parts + 1);
	const uint64_t time = UNIOBS_CLOCK();  /* after the reservation: see trace.c */
	uint32_t used = 0, part, i;

	info |= parts << UNIOBS_SLOT_N_SHIFT;
	for (part = 0; part <= parts; part++, position++) {
		union { uint64_t words[4]; uint32_t halves[8]; } *slot = (void *)(ring + 1);

		slot += position & mask;
		uniobs_slot_open(slot->halves, position);
		slot->halves[1] = info;
		i = 1;
		if (!part)
			slot->words[i++] = time;
		for (; i < 4; i++, used++) {
			if (i == 3)
				UNIOBS_POINT();
			slot->words[i] = used < n ? words[used] : 0;
		}
#if UNIOBS_MINIMAL
		uniobs_slot_seal(slot->halves, position, sizeof *slot);
#else
		uniobs_slot_commit(slot->halves, position, uniobs_slot_sum(info, slot->words[1], slot->words[2], slot->words[3]));
#endif
		/* Of the next one: that it goes on, and its part. */
		info = (info & UNIOBS_SLOT_ID_MASK) | UNIOBS_SLOT_CONT << UNIOBS_SLOT_N_SHIFT | (part + 1) << 16;
	}
	uniobs_ring_count(&ring->events);
	if (truncated)
		uniobs_ring_count(&ring->truncated);
	return time;
}

#endif
