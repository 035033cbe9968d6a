/* virtio.c - what both transports share: negotiation and split queues (virtio 1.1, 2.6 and 3.1). */
#include "virtio.h"

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER 2u
#define STATUS_DRIVER_OK 4u
#define STATUS_FEATURES_OK 8u
#define STATUS_FAILED 128u

#define DESC_WRITE 2u

bool virtio_find(struct virtio *dev, uint32_t id, unsigned n)
{
	unsigned seen = 0;

	memset(dev, 0, sizeof(*dev));
	return virtio_mmio_find(dev, id, n, &seen) || virtio_pci_find(dev, id, n, &seen);
}

uint64_t virtio_start(struct virtio *dev, uint64_t wanted)
{
	const struct virtio_transport *t = dev->transport;
	uint64_t features;
	int spin;

	t->set_status(dev, 0);
	for (spin = 0; t->get_status(dev) != 0 && spin < 1000000; spin++)
		__asm__ volatile("pause");
	t->set_status(dev, STATUS_ACKNOWLEDGE);
	t->set_status(dev, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	features = t->get_features(dev, 0) | (uint64_t)t->get_features(dev, 1) << 32;
	if (!(features & VIRTIO_F_VERSION_1))
		goto failed;
	features &= wanted | VIRTIO_F_VERSION_1;
	t->set_features(dev, 0, (uint32_t)features);
	t->set_features(dev, 1, (uint32_t)(features >> 32));
	t->set_status(dev, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	if (t->get_status(dev) & STATUS_FEATURES_OK)
		return features;
failed:
	t->set_status(dev, STATUS_FAILED);
	return 0;
}

void virtio_ready(struct virtio *dev)
{
	dev->transport->set_status(dev, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
}

uint8_t virtio_config8(struct virtio *dev, uint32_t offset)
{
	return offset < dev->config_size ? dev->config[offset] : 0;
}

/* Zeroed and page aligned; never freed, as the queues live as long as the guest. */
static void *queue_memory(size_t size)
{
	uintptr_t p = (uintptr_t)kcalloc(1, size + 4095);

	return p ? (void *)((p + 4095) & ~(uintptr_t)4095) : NULL;
}

bool virtq_init(struct virtio *dev, struct virtq *vq, uint16_t index)
{
	uint16_t size = dev->transport->queue_size(dev, index);
	uint8_t *memory;

	memset(vq, 0, sizeof(*vq));
	if (size > VIRTQ_MAX)
		size = VIRTQ_MAX;
	if (size == 0 || (size & (size - 1)) != 0)
		return false;
	/* descriptors, available ring and used ring, each at a 1 KiB boundary or better */
	memory = queue_memory(4096);
	if (!memory)
		return false;
	_Static_assert(sizeof(struct virtq_desc) * VIRTQ_MAX <= 1024 && sizeof(struct virtq_used) <= 1024, "a page a queue");
	vq->dev = dev;
	vq->index = index;
	vq->size = size;
	vq->desc = (struct virtq_desc *)memory;
	vq->avail = (volatile struct virtq_avail *)(memory + 1024);
	vq->used = (volatile struct virtq_used *)(memory + 2048);
	vq->free = size == 64 ? ~0ull : (1ull << size) - 1;
	dev->transport->queue_enable(dev, vq);
	return true;
}

int virtq_add(struct virtq *vq, const void *buffer, uint32_t len, bool device_writes)
{
	int id;

	if (!vq->free)
		return -1;
	id = __builtin_ctzll(vq->free);
	vq->free &= vq->free - 1;
	vq->desc[id] = (struct virtq_desc){ (uintptr_t)buffer, len, device_writes ? DESC_WRITE : 0, 0 };
	vq->avail->ring[vq->avail->idx & (vq->size - 1)] = (uint16_t)id;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	vq->avail->idx++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return id;
}

int virtq_get(struct virtq *vq, uint32_t *len, uint32_t max)
{
	uint32_t id, got;

	/* A device that names a buffer it doesn't have is ignored: the loop ends with its index. */
	while (vq->last_used != vq->used->idx) {
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		id = vq->used->ring[vq->last_used & (vq->size - 1)].id;
		got = vq->used->ring[vq->last_used & (vq->size - 1)].len;
		vq->last_used++;
		if (id >= vq->size || (vq->free & (1ull << id)))
			continue;
		vq->free |= 1ull << id;
		if (len)
			*len = got <= max ? got : 0;
		return (int)id;
	}
	return -1;
}
