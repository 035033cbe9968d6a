/* hosted.c - makes the region of a Linux process: memory, identity, clock. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "private.h"

struct hosted uniobs_hosted;

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool guard_kept;

void uniobs_hosted_enter(void)
{
	if (!guard_kept)
		pthread_mutex_lock(&guard);
}

void uniobs_hosted_exit(void)
{
	if (!guard_kept)
		pthread_mutex_unlock(&guard);
}

void uniobs_hosted_freeze(void)
{
	const struct timespec pause = { 0, 10000 };

	for (int i = 0; i < 1000 && pthread_mutex_trylock(&guard); i++)
		nanosleep(&pause, 0);
	guard_kept = true;
}

/* The program comes first; the rest are its libraries. */
static int find_image(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct uniobs_config *cfg = arg;
	uintptr_t bias = info->dlpi_addr;

	(void)size;
	cfg->image_bias = bias;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const uint8_t *at = (const uint8_t *)(bias + ph->p_vaddr), *end = at + ph->p_memsz;

		while (ph->p_type == PT_NOTE && (size_t)(end - at) > sizeof(ElfW(Nhdr))) {
			const ElfW(Nhdr) *note = (const void *)at;
			const uint8_t *name = at + sizeof *note, *desc = name + ((note->n_namesz + 3) & ~3u);

			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(name, "GNU", 4) && note->n_descsz <= 20)
				cfg->image_id = desc, cfg->image_id_len = note->n_descsz;
			at = desc + ((note->n_descsz + 3) & ~3u);
		}
	}
	return 1;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A TSC value and the clock's at the same moment: of several tries, the one that took the shortest. */
static uint64_t sample(clockid_t clock, uint64_t *ns)
{
	uint64_t best = ~0ull, tsc = 0;

	for (int i = 0; i < 16; i++) {
		uint64_t before = UNIOBS_CLOCK(), t = now_ns(clock), took = UNIOBS_CLOCK() - before;

		if (took < best)
			best = took, tsc = before + took / 2, *ns = t;
	}
	return tsc;
}

static uint32_t measure_khz(void)
{
	const struct timespec pause = { 0, 50000000 };
	uint64_t ns0 = 0, ns1 = 0, tsc0 = sample(CLOCK_MONOTONIC, &ns0), tsc1;

	nanosleep(&pause, 0);
	tsc1 = sample(CLOCK_MONOTONIC, &ns1);
	return (uint32_t)(((__uint128_t)(tsc1 - tsc0) * 1000000u + (ns1 - ns0) / 2) / (ns1 - ns0));
}

uint64_t uniobs_hosted_tsc(uint64_t ns)
{
	return (uint64_t)((__uint128_t)ns * uniobs_hosted.tsc_khz / 1000000u);
}

/* What a core must hold: the region when it is in a file (bit 3; a memfd's pages are in it anyway), and the
 * program's text (bit 2), by which a tool proves that the image it has is the one that ran. */
static void keep_in_core(void)
{
	unsigned filter = 0x33;
	FILE *f = fopen("/proc/self/coredump_filter", "r+");

	if (!f)
		return;
	if (fscanf(f, "%x", &filter) == 1) {
		rewind(f);
		fprintf(f, "0x%x", filter | 4 | 8);
	}
	fclose(f);
}

static void *map_region(uint64_t size)
{
	const char *path = getenv("UNIOBS_REGION_FILE");
	int fd = path && *path ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : memfd_create("uniobs-region", MFD_CLOEXEC);
	void *at = MAP_FAILED;

	if (fd < 0)
		return MAP_FAILED;
	if (!ftruncate(fd, (off_t)size))
		at = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int error = errno;
	close(fd);
	errno = error;
	return at;
}

static void at_exit(int status, void *arg)
{
	(void)arg;
	uniobs_hosted_freeze();
	uniobs_set_state(UNIOBS_STATE_EXITED, status);
}

int uniobs_hosted_start(const char *app, const struct uniobs_hosted_sizes *sizes)
{
	static const struct uniobs_hosted_sizes none;
	const struct uniobs_hosted_sizes *z = sizes ? sizes : &none;
	struct uniobs_config cfg = {
		.cpus = z->rings ? z->rings : 32, .events = z->events ? z->events : 64, .counters = z->counters ? z->counters : 64,
		.threads = z->threads ? z->threads : 64, .locks = z->locks ? z->locks : 64, .sockets = z->sockets ? z->sockets : 128,
		.sites = z->sites ? z->sites : 64, .strings = z->strings ? z->strings : 8192,
		.log_slots = z->log_slots ? z->log_slots : 1024, .trace_slots = z->trace_slots ? z->trace_slots : 4096,
		.panic_stack = z->panic_stack ? z->panic_stack : 4096,
		.kernel = "hosted", .app = app, .flags = UNIOBS_FLAG_HOSTED, .os_pid = (uint32_t)getpid(),
		.switch_regs = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0 },
	};
	int error;

	cfg.size = uniobs_size(&cfg);
	if (!cfg.size)
		return -EINVAL;
	dl_iterate_phdr(find_image, &cfg);
	cfg.memory = map_region(cfg.size);
	if (cfg.memory == MAP_FAILED)
		return -errno;
	cfg.pa = (uintptr_t)cfg.memory;
	if (getrandom(cfg.boot_id, sizeof cfg.boot_id, GRND_NONBLOCK) < 0)
		return -errno;
	cfg.tsc_khz = uniobs_hosted.tsc_khz = measure_khz();
	cfg.anchor_tsc = sample(CLOCK_REALTIME, &cfg.anchor_wall_ns);
	error = uniobs_init(&cfg);
	if (error)
		return error;
	keep_in_core();
	on_exit(at_exit, 0);
	uniobs_hosted_catch_signals();
	uniobs_hosted_register("main", 0);
	return 0;
}

void uniobs_hosted_log(uint8_t level, const char *format, ...)
{
	char text[400];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (n < 0)
		return;
	uniobs_log(level, uniobs_hosted_tid(), text, n < (int)sizeof text ? (uint32_t)n : (uint32_t)sizeof text - 1);
	fprintf(stderr, "%s\n", text);
}
