/* mmio.c - the virtio-mmio transport (version 2), as on QEMU's and Firecracker's microvm machines. */
#include "virtio.h"

#define MAGIC 0x000
#define VERSION 0x004
#define DEVICE_ID 0x008
#define DEVICE_FEATURES 0x010
#define DEVICE_FEATURES_SEL 0x014
#define DRIVER_FEATURES 0x020
#define DRIVER_FEATURES_SEL 0x024
#define QUEUE_SEL 0x030
#define QUEUE_NUM_MAX 0x034
#define QUEUE_NUM 0x038
#define QUEUE_READY 0x044
#define QUEUE_NOTIFY 0x050
#define INTERRUPT_STATUS 0x060
#define INTERRUPT_ACK 0x064
#define STATUS 0x070
#define QUEUE_DESC 0x080
#define QUEUE_DRIVER 0x090
#define QUEUE_DEVICE 0x0a0
#define CONFIG 0x100

#define MAGIC_VALUE 0x74726976u

/* QEMU's microvm when the command line names no devices: slots, and their interrupts. */
#define SLOT_BASE 0xfeb00000ull
#define SLOT_SIZE 0x200u
#define SLOTS 24u
#define IOAPIC2 0xfec10000ull
#define GSI_IOAPIC2 24u
#define GSI_IOAPIC1 16u

static uint32_t get(struct virtio *dev, uint32_t reg) { return *(volatile uint32_t *)(dev->regs + reg); }
static void put(struct virtio *dev, uint32_t reg, uint32_t value) { *(volatile uint32_t *)(dev->regs + reg) = value; }

static void put64(struct virtio *dev, uint32_t reg, volatile void *p)
{
	put(dev, reg, (uint32_t)(uintptr_t)p);
	put(dev, reg + 4, (uint32_t)((uintptr_t)p >> 32));
}

static void set_status(struct virtio *dev, uint8_t status) { put(dev, STATUS, status); }
static uint8_t get_status(struct virtio *dev) { return (uint8_t)get(dev, STATUS); }

static uint32_t get_features(struct virtio *dev, uint32_t word)
{
	put(dev, DEVICE_FEATURES_SEL, word);
	return get(dev, DEVICE_FEATURES);
}

static void set_features(struct virtio *dev, uint32_t word, uint32_t bits)
{
	put(dev, DRIVER_FEATURES_SEL, word);
	put(dev, DRIVER_FEATURES, bits);
}

static uint16_t queue_size(struct virtio *dev, uint16_t q)
{
	put(dev, QUEUE_SEL, q);
	return (uint16_t)get(dev, QUEUE_NUM_MAX);
}

static void queue_enable(struct virtio *dev, struct virtq *vq)
{
	put(dev, QUEUE_SEL, vq->index);
	put(dev, QUEUE_NUM, vq->size);
	put64(dev, QUEUE_DESC, vq->desc);
	put64(dev, QUEUE_DRIVER, vq->avail);
	put64(dev, QUEUE_DEVICE, vq->used);
	put(dev, QUEUE_READY, 1);
}

static void notify(struct virtio *dev, struct virtq *vq) { put(dev, QUEUE_NOTIFY, vq->index); }

static uint32_t ack(struct virtio *dev)
{
	uint32_t cause = get(dev, INTERRUPT_STATUS);

	if (cause)
		put(dev, INTERRUPT_ACK, cause);
	return cause;
}

static const struct virtio_transport transport = {
	set_status, get_status, get_features, set_features, queue_size, queue_enable, notify, ack,
};

static bool try_slot(struct virtio *dev, uint64_t pa, unsigned gsi, uint32_t id, unsigned n, unsigned *seen)
{
	dev->regs = map_mmio(pa, SLOT_SIZE);
	if (!dev->regs || get(dev, MAGIC) != MAGIC_VALUE || get(dev, DEVICE_ID) != id)
		return false;
	if (get(dev, VERSION) != 2) {
		klog(UNIOBS_LEVEL_WARN, "virtio-mmio 0x%lx: legacy device ignored", (unsigned long)pa);
		return false;
	}
	if ((*seen)++ != n)
		return false;
	dev->transport = &transport;
	dev->id = id;
	dev->config = dev->regs + CONFIG;
	dev->config_size = SLOT_SIZE - CONFIG;
	dev->gsi = gsi;
	dev->level = false;
	ksnprintf(dev->where, sizeof(dev->where), "mmio 0x%lx", (unsigned long)pa);
	return true;
}

/* virtio_mmio.device=512@0xfeb00e00:12 ... ; 0 = the command line names none, -1 = names some but not ours */
static int from_cmdline(struct virtio *dev, uint32_t id, unsigned n, unsigned *seen)
{
	static const char key[] = "virtio_mmio.device=";
	const char *p = cmdline();
	int found = 0;

	for (; *p; p++) {
		uint64_t base;
		unsigned gsi;
		char *end;

		if (strncmp(p, key, sizeof(key) - 1) != 0)
			continue;
		p = strchr(p, '@');
		if (!p)
			break;
		base = strtoul(p + 1, &end, 0);
		if (*end != ':')
			continue;
		gsi = (unsigned)strtoul(end + 1, &end, 0);
		found = -1;
		if (base >= ram_top() && try_slot(dev, base, gsi, id, n, seen))
			return 1;
		p = end - 1;
	}
	return found;
}

static unsigned first_gsi(void)
{
	volatile uint32_t *ioapic = map_mmio(IOAPIC2, 0x20);

	if (!ioapic)
		return GSI_IOAPIC1;
	ioapic[0] = 1; /* version register: bits 16-23 = last entry */
	return (ioapic[4] >> 16 & 0xff) == 23 ? GSI_IOAPIC2 : GSI_IOAPIC1;
}

bool virtio_mmio_find(struct virtio *dev, uint32_t id, unsigned n, unsigned *seen)
{
	int named = from_cmdline(dev, id, n, seen);
	unsigned i, gsi;

	if (named)
		return named > 0;
	gsi = first_gsi();
	for (i = 0; i < SLOTS; i++)
		if (try_slot(dev, SLOT_BASE + i * SLOT_SIZE, gsi + i, id, n, seen))
			return true;
	return false;
}
