/* packets.c - the packet ring. */
#include "internal.h"

#if UNIOBS_WITH_PACKETS

void uniobs_packet(uint16_t iface, uint8_t dir, const void *frame, uint32_t length)
{
	struct uniobs_state *s = &uniobs_state;
	struct uniobs_ring *ring = s->packets;
	struct uniobs_packet *slot;
	uint64_t guard, position;
	uint32_t snap;

	if (!ring)
		return;
	snap = s->packet_slot - sizeof *slot;
	UNIOBS_ENTER(guard);
	position = uniobs_reserve(ring, 1);
	slot = (struct uniobs_packet *)((uint8_t *)(ring + 1) + (position & s->packet_mask) * s->packet_slot);
	uniobs_slot_open(&slot->seq, position);
	slot->iface = iface, slot->dir = dir, slot->pad = 0, slot->reserved = 0;
	slot->time = UNIOBS_CLOCK();
	slot->orig_len = length;
	slot->cap_len = length < snap ? length : snap;
	uniobs_copy(slot + 1, frame, slot->cap_len);
	uniobs_slot_commit(&slot->seq, position);
	uniobs_ring_count(&ring->events);
	if (length > snap)
		uniobs_ring_count(&ring->truncated);
	UNIOBS_EXIT(guard);
}

#endif
