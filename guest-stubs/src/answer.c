/* answer.c - the guest's side of a channel: one request frame in, one reply frame out. */
#include "internal.h"

#if UNIOBS_WITH_CHANNEL

#define READ_MAX 65536u
#define FRAME_CRC(f) uniobs_crc32(0, (f), offsetof(struct uniobs_frame, crc))

int uniobs_answer(const struct uniobs_frame *request, uniobs_allowed_fn allowed, struct uniobs_frame *reply,
		  const void **payload)
{
	uint64_t address = request->address;
	uint32_t size = request->size;

	*payload = 0;
	if (request->magic != UNIOBS_FRAME_MAGIC || request->crc != FRAME_CRC(request))
		return UNIOBS_EINVAL;
	if (request->type == UNIOBS_FRAME_HELLO && uniobs_state.base) {
		address = ((const struct uniobs_header *)uniobs_state.base)->self_pa;
		size = 4096;
		*payload = allowed(address, size);
	} else if (request->type == UNIOBS_FRAME_READ && size && size <= READ_MAX && address + size > address) {
		*payload = allowed(address, size);
	}
	reply->magic = UNIOBS_FRAME_MAGIC;
	reply->type = *payload ? UNIOBS_FRAME_DATA : UNIOBS_FRAME_REFUSED;
	reply->id = request->id;
	reply->size = *payload ? size : 0;
	reply->address = address;
	reply->time = UNIOBS_CLOCK();
	reply->payload_crc = *payload ? uniobs_crc32(0, *payload, size) : 0;
	reply->crc = FRAME_CRC(reply);
	return 0;
}

#endif
