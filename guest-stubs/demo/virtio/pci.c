/* pci.c - the virtio-pci transport (modern): PCI functions of bus 0 and their capabilities. */
#include "virtio.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc

#define VENDOR_VIRTIO 0x1af4u
#define ICH9_LPC 0x29188086u

#define CAP_VENDOR 0x09u
#define CAP_COMMON 1u
#define CAP_NOTIFY 2u
#define CAP_ISR 3u
#define CAP_DEVICE 4u

/* the common configuration */
#define DEVICE_FEATURE_SEL 0x00
#define DEVICE_FEATURE 0x04
#define DRIVER_FEATURE_SEL 0x08
#define DRIVER_FEATURE 0x0c
#define STATUS 0x14
#define QUEUE_SEL 0x16
#define QUEUE_SIZE 0x18
#define QUEUE_ENABLE 0x1c
#define QUEUE_NOTIFY_OFF 0x1e
#define QUEUE_DESC 0x20
#define QUEUE_DRIVER 0x28
#define QUEUE_DEVICE 0x30
#define COMMON_SIZE 0x38u

static void out32(uint16_t port, uint32_t v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }
static uint32_t in32(uint16_t port) { uint32_t v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }

static uint32_t pci_get(unsigned devfn, uint32_t reg)
{
	out32(PCI_ADDRESS, 0x80000000u | devfn << 8 | (reg & 0xfc));
	return in32(PCI_DATA);
}

static void pci_put(unsigned devfn, uint32_t reg, uint32_t value)
{
	out32(PCI_ADDRESS, 0x80000000u | devfn << 8 | (reg & 0xfc));
	out32(PCI_DATA, value);
}

static uint8_t pci_get8(unsigned devfn, uint32_t reg) { return (uint8_t)(pci_get(devfn, reg) >> (reg & 3) * 8); }

#define REG8(dev, r) (*(volatile uint8_t *)((dev)->regs + (r)))
#define REG16(dev, r) (*(volatile uint16_t *)((dev)->regs + (r)))
#define REG32(dev, r) (*(volatile uint32_t *)((dev)->regs + (r)))

static void set_status(struct virtio *dev, uint8_t status) { REG8(dev, STATUS) = status; }
static uint8_t get_status(struct virtio *dev) { return REG8(dev, STATUS); }

static uint32_t get_features(struct virtio *dev, uint32_t word)
{
	REG32(dev, DEVICE_FEATURE_SEL) = word;
	return REG32(dev, DEVICE_FEATURE);
}

static void set_features(struct virtio *dev, uint32_t word, uint32_t bits)
{
	REG32(dev, DRIVER_FEATURE_SEL) = word;
	REG32(dev, DRIVER_FEATURE) = bits;
}

static uint16_t queue_size(struct virtio *dev, uint16_t q)
{
	REG16(dev, QUEUE_SEL) = q;
	return REG16(dev, QUEUE_SIZE);
}

static void put64(struct virtio *dev, uint32_t reg, volatile void *p)
{
	REG32(dev, reg) = (uint32_t)(uintptr_t)p;
	REG32(dev, reg + 4) = (uint32_t)((uintptr_t)p >> 32);
}

static void queue_enable(struct virtio *dev, struct virtq *vq)
{
	uint64_t offset;

	REG16(dev, QUEUE_SEL) = vq->index;
	REG16(dev, QUEUE_SIZE) = vq->size;
	put64(dev, QUEUE_DESC, vq->desc);
	put64(dev, QUEUE_DRIVER, vq->avail);
	put64(dev, QUEUE_DEVICE, vq->used);
	offset = (uint64_t)REG16(dev, QUEUE_NOTIFY_OFF) * dev->notify_multiplier;
	vq->notify = offset + 2 <= dev->notify_size ? (volatile uint16_t *)(dev->notify_base + offset) : NULL;
	REG16(dev, QUEUE_ENABLE) = 1;
}

static void notify(struct virtio *dev, struct virtq *vq)
{
	(void)dev;
	if (vq->notify)
		*vq->notify = vq->index;
}

static uint32_t ack(struct virtio *dev) { return *dev->isr; } /* reading acknowledges */

static const struct virtio_transport transport = {
	set_status, get_status, get_features, set_features, queue_size, queue_enable, notify, ack,
};

/* The address that a memory BAR was given by the firmware, 0 when it has none. */
static uint64_t bar_address(unsigned devfn, unsigned bar)
{
	uint32_t low, high = 0;

	if (bar > 5)
		return 0;
	low = pci_get(devfn, 0x10 + bar * 4);
	if (low & 1)
		return 0;
	if ((low & 6) == 4) {
		if (bar == 5)
			return 0;
		high = pci_get(devfn, 0x14 + bar * 4);
	}
	return ((uint64_t)high << 32) | (low & ~15u);
}

static void *map_capability(unsigned devfn, uint32_t cap, uint32_t *length)
{
	uint64_t base = bar_address(devfn, pci_get8(devfn, cap + 4));
	uint32_t offset = pci_get(devfn, cap + 8);

	*length = pci_get(devfn, cap + 12);
	return base && *length && *length <= 1u << 20 ? map_mmio(base + offset, *length) : NULL;
}

static bool read_capabilities(struct virtio *dev, unsigned devfn)
{
	uint32_t cap = pci_get8(devfn, 0x34) & 0xfc;
	uint32_t length;
	int bound;

	/* capabilities lie in 192 bytes: more than 48 of them is a loop */
	for (bound = 0; cap >= 0x40 && bound < 48; bound++, cap = pci_get8(devfn, cap + 1) & 0xfc) {
		if (pci_get8(devfn, cap) != CAP_VENDOR)
			continue;
		switch (pci_get8(devfn, cap + 3)) {
		case CAP_COMMON:
			if (!dev->regs) {
				dev->regs = map_capability(devfn, cap, &length);
				if (dev->regs && length < COMMON_SIZE)
					return false;
			}
			break;
		case CAP_NOTIFY:
			if (!dev->notify_base) {
				dev->notify_base = map_capability(devfn, cap, &dev->notify_size);
				dev->notify_multiplier = pci_get(devfn, cap + 16);
			}
			break;
		case CAP_ISR:
			if (!dev->isr)
				dev->isr = map_capability(devfn, cap, &length);
			break;
		case CAP_DEVICE:
			if (!dev->config)
				dev->config = map_capability(devfn, cap, &dev->config_size);
			break;
		default:
			break;
		}
	}
	return dev->regs && dev->notify_base && dev->isr;
}

/* The IOAPIC input of a function's interrupt pin: on ICH9 (q35), INTA..D of slots 0-24 rotate over PIRQE..H,
 * which are inputs 20-23; elsewhere what the firmware wrote down. */
static unsigned interrupt(unsigned devfn)
{
	uint8_t pin = pci_get8(devfn, 0x3d), line = pci_get8(devfn, 0x3c);

	if (pin < 1 || pin > 4)
		return 0;
	if (pci_get(0x1f << 3, 0) == ICH9_LPC && devfn >> 3 < 25)
		return 20 + ((devfn >> 3) + pin - 1) % 4;
	return line < 24 ? line : 0;
}

bool virtio_pci_find(struct virtio *dev, uint32_t id, unsigned n, unsigned *seen)
{
	unsigned devfn;

	if (pci_get(0, 0) == 0xffffffffu)
		return false;
	for (devfn = 0; devfn < 256; devfn++) {
		uint32_t ids = pci_get(devfn, 0);
		uint32_t device = ids >> 16;

		if ((ids & 0xffff) != VENDOR_VIRTIO)
			continue;
		/* transitional devices carry their virtio id as subsystem id */
		if ((device >= 0x1040 ? device - 0x1040 : pci_get(devfn, 0x2c) >> 16) != id || (*seen)++ != n)
			continue;
		memset(dev, 0, sizeof(*dev));
		pci_put(devfn, 0x04, (pci_get(devfn, 0x04) & 0xfbff) | 0x06); /* memory, bus master, INTx on */
		if (!read_capabilities(dev, devfn)) {
			klog(UNIOBS_LEVEL_WARN, "virtio-pci 00:%02x.%u: no usable capabilities", devfn >> 3, devfn & 7);
			continue;
		}
		dev->transport = &transport;
		dev->id = id;
		dev->gsi = interrupt(devfn);
		dev->level = true;
		ksnprintf(dev->where, sizeof(dev->where), "pci 00:%02x.%u", devfn >> 3, devfn & 7);
		return true;
	}
	return false;
}
