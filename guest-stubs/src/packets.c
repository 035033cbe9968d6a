/* packets.c - the packet ring. */
#include "internal.h"

#if UNIOBS_WITH_PACKETS

void uniobs_packet(uint16_t iface, uint8_t dir, const void *frame, uint32_t length)
{
	struct uniobs_state *s = &uniobs_state;
	struct uniobs_ring *ring = s->packets;
	struct uniobs_packet *slot;
	uint64_t guard, position;
	uint8_t *data;
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
	data = (uint8_t *)(slot + 1);
	uniobs_copy(data, frame, slot->cap_len);
	uniobs_zero(data + slot->cap_len, -slot->cap_len & 7);
	uniobs_slot_seal(&slot->seq, position, sizeof *slot + ((slot->cap_len + 7) & ~7u));
	uniobs_ring_count(&ring->events);
	if (length > snap)
		uniobs_ring_count(&ring->truncated);
	UNIOBS_EXIT(guard);
}

#endif
