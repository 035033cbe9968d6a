/* console.c - the channel: READ/DATA frames served on the first port of a virtio-console.
 *
 * Runs in the device's interrupt, or from channel_poll where interrupts are off for good. Never waits:
 * a reply occupies a buffer until the host has read it, and requests stay unread while all are occupied. */
#include "virtio.h"

#define REPLIES 4u
#define PAYLOAD_MAX 65536u
#define REPLY_SIZE (sizeof(struct uniobs_frame) + PAYLOAD_MAX)
#define INPUTS 8u
#define INPUT_SIZE 1024u

static struct virtio dev;
static struct virtq rx, tx;
static uint8_t (*replies)[REPLY_SIZE], (*inputs)[INPUT_SIZE];
static int8_t rx_slot[VIRTQ_MAX], tx_slot[VIRTQ_MAX];
static unsigned replies_free; /* bit set = ours */
static unsigned reply;        /* the one being filled */

/* a received buffer not consumed to its end */
static int input = -1;
static uint32_t input_at, input_end;
/* the request being gathered */
static union { struct uniobs_frame frame; uint8_t bytes[sizeof(struct uniobs_frame)]; } request;
static uint32_t have;

/* Whether the page is mapped, and onto itself (page tables are below 4 GiB, in RAM). */
static bool page_mapped(uint64_t address)
{
	uint64_t cr3, entry;
	int shift;

	__asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
	entry = cr3;
	for (shift = 39; shift >= 12; shift -= 9) {
		uint64_t table = entry & 0x000ffffffffff000ull;
		uint64_t mask = (1ull << shift) - 1;

		if (table + 4096 > ram_top())
			return false;
		entry = ((const uint64_t *)table)[address >> shift & 511];
		if (!(entry & 1))
			return false;
		if (shift == 12 || (shift <= 30 && (entry & 0x80)))
			return (entry & 0x000ffffffffff000ull & ~mask) == (address & ~mask);
	}
	return false;
}

/* The bytes are copied at once, so that what is sent is one moment and matches its checksum. */
static const void *allowed(uint64_t address, uint32_t size)
{
	uint64_t top = ram_top(), page;
	uint8_t *copy = replies[reply] + sizeof(struct uniobs_frame);

	if (size > PAYLOAD_MAX || address >= top || size > top - address)
		return NULL;
	for (page = address & ~4095ull; page < address + size; page += 4096)
		if (!page_mapped(page))
			return NULL;
	memcpy(copy, (const void *)address, size);
	return copy;
}

static void send_reply(uint32_t size)
{
	int id = virtq_add(&tx, replies[reply], size, false);

	if (id < 0)
		return;
	tx_slot[id] = (int8_t)reply;
	replies_free &= ~(1u << reply);
	virtq_kick(&tx);
}

/* Forget the first byte of the request, and all up to the next possible beginning of a frame. */
static void resynchronise(void)
{
	static const uint8_t magic[4] = { UNIOBS_FRAME_MAGIC & 0xff, UNIOBS_FRAME_MAGIC >> 8 & 0xff,
	                                  UNIOBS_FRAME_MAGIC >> 16 & 0xff, UNIOBS_FRAME_MAGIC >> 24 };
	uint32_t skip, n;

	for (skip = 1; skip < have; skip++) {
		n = have - skip < 4 ? have - skip : 4;
		if (memcmp(request.bytes + skip, magic, n) == 0)
			break;
	}
	have -= skip;
	memmove(request.bytes, request.bytes + skip, have);
}

static void answer(void)
{
	struct uniobs_frame head;
	const void *payload = NULL;
	uint8_t *out;

	reply = (unsigned)__builtin_ctz(replies_free);
	out = replies[reply];
	if (uniobs_answer(&request.frame, allowed, &head, &payload) != 0) {
		resynchronise();
		return;
	}
	have = 0;
	if (!payload || head.size > PAYLOAD_MAX)
		head.size = 0;
	if (payload && payload != out + sizeof(head)) {
		/* not from allowed(): take the copy now and seal it again */
		memcpy(out + sizeof(head), payload, head.size);
		head.payload_crc = uniobs_crc32(0, out + sizeof(head), head.size);
		head.crc = uniobs_crc32(0, &head, offsetof(struct uniobs_frame, crc));
	}
	memcpy(out, &head, sizeof(head));
	send_reply((uint32_t)sizeof(head) + head.size);
}

/* One byte of input, false when there is none. */
static bool next_byte(uint8_t *byte)
{
	while (input < 0 || input_at >= input_end) {
		int id;

		if (input >= 0) {
			id = virtq_add(&rx, inputs[input], INPUT_SIZE, true);
			if (id >= 0)
				rx_slot[id] = (int8_t)input;
			input = -1;
			virtq_kick(&rx);
		}
		id = virtq_get(&rx, &input_end, INPUT_SIZE);
		if (id < 0)
			return false;
		input = rx_slot[id];
		input_at = 0;
	}
	*byte = inputs[input][input_at++];
	return true;
}

static void serve(void)
{
	uint8_t byte;
	int id;

	for (;;) {
		while ((id = virtq_get(&tx, NULL, 0)) >= 0)
			replies_free |= 1u << tx_slot[id];
		if (!replies_free || !next_byte(&byte))
			return;
		request.bytes[have++] = byte;
		if (have <= 4 && request.bytes[have - 1] != (uint8_t)(UNIOBS_FRAME_MAGIC >> (have - 1) * 8))
			resynchronise();
		else if (have == sizeof(request))
			answer();
	}
}

static void interrupt(void *arg)
{
	(void)arg;
	if (dev.transport->ack(&dev))
		serve();
}

static void poll(void)
{
	dev.transport->ack(&dev);
	serve();
}

/* Without an interrupt: look every 10 ms. */
static void poller(void *arg)
{
	uint64_t flags;

	(void)arg;
	for (;;) {
		sleep_ms(10);
		flags = irq_save();
		poll();
		irq_restore(flags);
	}
}

void virtio_console_init(void)
{
	unsigned i;
	bool ok;
	uint64_t flags;

	if (!virtio_find(&dev, VIRTIO_ID_CONSOLE, 0))
		return;
	ok = virtio_start(&dev, 0) != 0 && virtq_init(&dev, &rx, 0) && virtq_init(&dev, &tx, 1);
	replies = kmalloc(REPLIES * REPLY_SIZE);
	inputs = kmalloc(INPUTS * INPUT_SIZE);
	if (!ok || !replies || !inputs) {
		klog(UNIOBS_LEVEL_ERR, "virtio-console at %s: cannot be started", dev.where);
		return;
	}
	flags = irq_save();
	replies_free = (1u << REPLIES) - 1;
	for (i = 0; i < INPUTS; i++) {
		int id = virtq_add(&rx, inputs[i], INPUT_SIZE, true);

		if (id >= 0)
			rx_slot[id] = (int8_t)i;
	}
	ok = dev.gsi && irq_register(dev.gsi, dev.level, dev.level, interrupt, NULL) == 0;
	virtio_ready(&dev);
	virtq_kick(&rx);
	channel_poll = poll;
	irq_restore(flags);
	if (!ok)
		thread_create("channel", poller, NULL, 16384);
	klog(UNIOBS_LEVEL_INFO, "virtio-console at %s, gsi %u", dev.where, ok ? dev.gsi : 0);
}
