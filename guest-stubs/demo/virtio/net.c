/* net.c - virtio-net: one receive and one transmit queue, each buffer with its header in front. */
#include "netdev.h"
#include "virtio.h"

#define F_MAC (1ull << 5)

#define BUFFER 2048u

/* struct virtio_net_hdr with num_buffers, as under VERSION_1; all zero: no offloads */
struct net_header { uint8_t flags, gso_type; uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers; };
_Static_assert(sizeof(struct net_header) == 12, "net header");

struct netdev_stats netdev_stats;

static struct virtio dev;
static struct virtq rx, tx;
static uint8_t (*rx_buffers)[BUFFER], (*tx_buffers)[BUFFER];
static int8_t rx_slot[VIRTQ_MAX], tx_slot[VIRTQ_MAX]; /* descriptor -> buffer */
static uint64_t tx_free;                              /* bit set = buffer is ours */
static void (*received)(void);
static bool interrupts;

static void interrupt(void *arg)
{
	(void)arg;
	if (dev.transport->ack(&dev) & 1)
		received();
}

static void rx_give(unsigned buffer)
{
	int id = virtq_add(&rx, rx_buffers[buffer], BUFFER, true);

	if (id >= 0)
		rx_slot[id] = (int8_t)buffer;
}

bool netdev_init(uint8_t mac[6], void (*on_rx)(void))
{
	unsigned i;

	if (!virtio_find(&dev, VIRTIO_ID_NET, 0))
		return false;
	received = on_rx;
	if (!(virtio_start(&dev, F_MAC) & F_MAC) || !virtq_init(&dev, &rx, 0) || !virtq_init(&dev, &tx, 1)) {
		klog(UNIOBS_LEVEL_ERR, "virtio-net at %s: cannot be started", dev.where);
		return false;
	}
	for (i = 0; i < 6; i++)
		mac[i] = virtio_config8(&dev, i);
	rx_buffers = kcalloc(rx.size, BUFFER);
	tx_buffers = kcalloc(tx.size, BUFFER);
	if (!rx_buffers || !tx_buffers)
		return false;
	tx_free = tx.free;
	tx.avail->flags = 1; /* sent buffers are collected when the next one is needed: no interrupt */
	for (i = 0; i < rx.size; i++)
		rx_give(i);
	interrupts = dev.gsi && irq_register(dev.gsi, dev.level, dev.level, interrupt, NULL) == 0;
	virtio_ready(&dev);
	virtq_kick(&rx);
	klog(UNIOBS_LEVEL_INFO, "virtio-net at %s, %02x:%02x:%02x:%02x:%02x:%02x, gsi %u", dev.where,
	     mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], interrupts ? dev.gsi : 0);
	return true;
}

bool netdev_has_interrupt(void)
{
	return interrupts;
}

const uint8_t *netdev_rx(uint32_t *len)
{
	uint32_t total;
	int id;

	while ((id = virtq_get(&rx, &total, BUFFER)) >= 0) {
		unsigned buffer = (unsigned)rx_slot[id];

		if (total > sizeof(struct net_header) && total - sizeof(struct net_header) <= NETDEV_FRAME_MAX) {
			*len = total - (uint32_t)sizeof(struct net_header);
			netdev_stats.rx_packets++;
			netdev_stats.rx_bytes += *len;
			return rx_buffers[buffer] + sizeof(struct net_header);
		}
		netdev_stats.rx_errors++;
		rx_give(buffer);
	}
	return NULL;
}

void netdev_rx_done(const uint8_t *frame)
{
	rx_give((unsigned)((size_t)(frame - rx_buffers[0]) / BUFFER));
	virtq_kick(&rx);
}

uint8_t *netdev_tx_begin(void)
{
	int id;

	while ((id = virtq_get(&tx, NULL, 0)) >= 0)
		tx_free |= 1ull << tx_slot[id];
	if (!tx_free)
		return NULL;
	return tx_buffers[__builtin_ctzll(tx_free)] + sizeof(struct net_header);
}

void netdev_tx_send(uint8_t *frame, uint32_t len)
{
	unsigned buffer = (unsigned)((size_t)(frame - tx_buffers[0]) / BUFFER);
	int id;

	memset(tx_buffers[buffer], 0, sizeof(struct net_header));
	id = virtq_add(&tx, tx_buffers[buffer], len + (uint32_t)sizeof(struct net_header), false);
	if (id < 0) {
		netdev_stats.tx_dropped++;
		return;
	}
	tx_slot[id] = (int8_t)buffer;
	tx_free &= ~(1ull << buffer);
	netdev_stats.tx_packets++;
	netdev_stats.tx_bytes += len;
	virtq_kick(&tx);
}
