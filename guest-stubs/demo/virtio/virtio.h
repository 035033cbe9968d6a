/* virtio.h - virtio 1.x devices over MMIO or PCI: transports, and split queues of single-buffer chains. */
#ifndef DEMO_VIRTIO_H
#define DEMO_VIRTIO_H

#include "kernel.h"

#define VIRTIO_ID_NET 1u
#define VIRTIO_ID_CONSOLE 3u

#define VIRTIO_F_VERSION_1 (1ull << 32)

#define VIRTQ_MAX 64u /* entries we use of a queue, whatever the device offers */

struct virtq_desc { uint64_t addr; uint32_t len; uint16_t flags, next; };
struct virtq_avail { uint16_t flags, idx, ring[VIRTQ_MAX]; };
struct virtq_used_elem { uint32_t id, len; };
struct virtq_used { uint16_t flags, idx; struct virtq_used_elem ring[VIRTQ_MAX]; };

struct virtio;

struct virtq {
	struct virtio *dev;
	struct virtq_desc *desc;
	volatile struct virtq_avail *avail;
	volatile struct virtq_used *used;
	volatile uint16_t *notify;   /* PCI: where to write; NULL on MMIO */
	uint16_t index, size;
	uint16_t last_used;
	uint64_t free;               /* bit set = descriptor not with the device */
};

struct virtio {
	const struct virtio_transport *transport;
	uint32_t id;
	volatile uint8_t *regs;      /* MMIO: the slot; PCI: the common configuration */
	volatile uint8_t *config;    /* device-specific configuration */
	uint32_t config_size;
	volatile uint8_t *isr, *notify_base;
	uint32_t notify_multiplier, notify_size;
	unsigned gsi;                /* 0 = no interrupt known: poll */
	bool level;
	char where[24];              /* for the log: "mmio 0xfeb00e00" */
};

struct virtio_transport {
	void (*set_status)(struct virtio *dev, uint8_t status);
	uint8_t (*get_status)(struct virtio *dev);
	uint32_t (*get_features)(struct virtio *dev, uint32_t word);
	void (*set_features)(struct virtio *dev, uint32_t word, uint32_t bits);
	/* Select queue q; its largest size, 0 when there is none. */
	uint16_t (*queue_size)(struct virtio *dev, uint16_t q);
	void (*queue_enable)(struct virtio *dev, struct virtq *vq);
	void (*notify)(struct virtio *dev, struct virtq *vq);
	uint32_t (*ack)(struct virtio *dev); /* interrupt causes, now acknowledged */
};

/* The n-th device (from 0) of this kind, reset and ready for virtio_start; false when there is none. */
bool virtio_find(struct virtio *dev, uint32_t id, unsigned n);
bool virtio_mmio_find(struct virtio *dev, uint32_t id, unsigned n, unsigned *seen);
bool virtio_pci_find(struct virtio *dev, uint32_t id, unsigned n, unsigned *seen);

/* Negotiate: VERSION_1 and those of `wanted` that are offered; what was agreed, 0 = failed. */
uint64_t virtio_start(struct virtio *dev, uint64_t wanted);
void virtio_ready(struct virtio *dev);
uint8_t virtio_config8(struct virtio *dev, uint32_t offset);

bool virtq_init(struct virtio *dev, struct virtq *vq, uint16_t index);
/* Give a buffer to the device; its descriptor, or -1 when all are in flight. No notification yet. */
int virtq_add(struct virtq *vq, const void *buffer, uint32_t len, bool device_writes);
/* A buffer that the device is done with: its descriptor (and len, cut to nothing above max), or -1. */
int virtq_get(struct virtq *vq, uint32_t *len, uint32_t max);
static inline void virtq_kick(struct virtq *vq) { vq->dev->transport->notify(vq->dev, vq); }

void virtio_net_init(void);
void virtio_console_init(void);

#endif
