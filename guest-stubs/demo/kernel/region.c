/* region.c - where the library's region lies and how large its tables are. */
#include "internal.h"

#define REGION_BYTES (2u << 20)
#define BUILD_ID_BYTES 20u

static uint8_t region[REGION_BYTES] __attribute__((aligned(4096)));
extern const uint8_t __build_id[], __build_id_end[];

static void boot_id(uint8_t id[16])
{
	for (unsigned i = 0; i < 16; i++) {
		uint64_t x = (rdtsc() + i) * 0x9e3779b97f4a7c15ull;

		id[i] = (uint8_t)(x >> 56 ^ x >> 24);
	}
}

void region_init(void)
{
	struct uniobs_config c = {
		.memory = region, .size = sizeof(region), .pa = (uint64_t)region, .cpus = 1,
		.events = 128, .counters = 128, .threads = THREADS_MAX, .locks = 128, .sockets = 128, .sites = 256, .ifaces = 4,
		.strings = 16384, .log_slots = 4096, .trace_slots = 16384, .packet_slots = 256, .packet_slot = 2048,
		.panic_stack = 8192,
		.kernel = "demo", .app = "kv",
		.anchor_tsc = boot_tsc,
		.switch_regs = { 0, 1, 2, 3, 4, 5, 6, 0 }, .switch_size = 56,
	};
	int error;

	boot_id(c.boot_id);
	/* the note: three words, "GNU\0", then the id */
	if (__build_id_end - __build_id >= (long)(16 + BUILD_ID_BYTES)) {
		c.image_id = __build_id + 16;
		c.image_id_len = BUILD_ID_BYTES;
	}
	error = uniobs_init(&c);
	if (error != 0)
		kprintf("region: error %d, %lu bytes needed\n", error, uniobs_size(&c));
}
