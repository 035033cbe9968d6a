/* ring.c - an event of any length into a ring of 32-byte slots. The rules are in SPEC.md, "Rings". */
#include "internal.h"

#if UNIOBS_WITH_TRACE || UNIOBS_WITH_LOG

void uniobs_ring_put(struct uniobs_ring *ring, uint32_t mask, uint32_t info, uint64_t time,
		     const uint64_t *words, uint32_t n, uint32_t truncated)
{
	const uint32_t parts = n > 2 ? n / 3 : 0;  /* ceil((n - 2) / 3) */
	struct uniobs_slot *slots = (struct uniobs_slot *)(ring + 1), *slot;
	uint64_t position = uniobs_reserve(ring, parts + 1), last[3] = { 0, 0, 0 };
	const uint64_t *w = parts ? words + 2 : last;
	uint32_t part, i;

	slot = &slots[position & mask];
	uniobs_slot_open(&slot->seq, position);
	slot->info = (uint16_t)(info | parts << UNIOBS_SLOT_N_SHIFT);
	slot->tid = (uint16_t)(info >> 16);
	slot->time = time;
	slot->w0 = n > 0 ? words[0] : 0;
	slot->w1 = n > 1 ? words[1] : 0;
	uniobs_slot_commit(&slot->seq, position);
	for (part = 1; part <= parts; part++) {
		struct uniobs_slot_cont *cont = (struct uniobs_slot_cont *)&slots[++position & mask];

		if (part == parts) {
			for (i = 3 * part - 1; i < n; i++)
				last[i - 3 * part + 1] = *w++;
			w = last;
		}
		uniobs_slot_open(&cont->seq, position);
		cont->info = (uint16_t)((info & UNIOBS_SLOT_ID_MASK) | UNIOBS_SLOT_CONT << UNIOBS_SLOT_N_SHIFT);
		cont->part = (uint16_t)part;
		cont->w0 = w[0], cont->w1 = w[1], cont->w2 = w[2];
		uniobs_slot_commit(&cont->seq, position);
		w += 3;
	}
	uniobs_ring_count(&ring->events);
	if (truncated)
		uniobs_ring_count(&ring->truncated);
}

#endif
