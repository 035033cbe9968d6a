/* main.c - the application: starts drivers, network and threads, then the main thread listens and waits. */
#include "app.h"
#include "calls.h"
#include "fd.h"
#include "http.h"
#include "syscalls.h"
#include "../net/net.h"
#include "../virtio/virtio.h"

#define HTTP_PORT 80
#define ECHO_PORT 7
#define BACKLOG 16
#define WORKER_STACK 32768u
#define SMALL_STACK 16384u

uniobs_counter_t *requests_total, *errors_total, *ticks_total;

static uniobs_counter_t *keys, *sweeps_total;
static int listener = -1;
static struct mutex store_lock;
static struct cond store_cond;
static bool store_dirty;
static struct sem shutdown_requested;

void store_changed(void)
{
	mutex_lock(&store_lock);
	store_dirty = true;
	cond_signal(&store_cond);
	mutex_unlock(&store_lock);
}

static void worker(void *arg)
{
	const char *name = arg;
	struct sockaddr4 peer;
	int fd;

	for (;;) {
		fd = sys_accept(listener, &peer);
		if (fd >= 0)
			http_serve(name, fd);
		else
			sys_nanosleep(10000000); /* out of descriptors or memory: others must finish first */
	}
}

static void ticker(void *arg)
{
	(void)arg;
	for (;;) {
		sys_nanosleep(1000000000);
		uniobs_count(ticks_total, 1);
	}
}

/* Keeps the gauge of keys; woken by changes, and every five seconds anyway. */
static void housekeeping(void *arg)
{
	(void)arg;
	for (;;) {
		mutex_lock(&store_lock);
		if (!store_dirty)
			cond_wait(&store_cond, &store_lock, 5000);
		store_dirty = false;
		mutex_unlock(&store_lock);
		uniobs_gauge(keys, ramfs_count());
		uniobs_count(sweeps_total, 1);
	}
}

static void udp_echo(void *arg)
{
	static uint8_t packet[1472];
	struct sockaddr4 any = { 0, ECHO_PORT }, from;
	int fd = sys_socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);

	(void)arg;
	if (fd < 0 || sys_bind(fd, &any) < 0)
		return;
	for (;;) {
		int64_t n = sys_recvfrom(fd, packet, sizeof(packet), 0, &from);

		if (n >= 0)
			sys_sendto(fd, packet, (size_t)n, 0, &from);
	}
}

static uniobs_counter_t *counter(const char *name, uint16_t unit)
{
	return uniobs_counter_new(name, UNIOBS_COUNTER_KIND_COUNTER, unit);
}

static void dump_counter(const uniobs_counter_t *c, const char *name)
{
	if (!c)
		return;
	dump_begin("counter");
	dump_str("name", name);
	dump_u64("value", c->value);
	dump_end();
}

static void dump(void)
{
	dump_counter(requests_total, "http_requests_total");
	dump_counter(errors_total, "http_errors_total");
	dump_counter(ticks_total, "ticks_total");
	dump_counter(sweeps_total, "store_sweeps_total");
	dump_counter(keys, "kv_keys");
}

static bool listen_http(void)
{
	struct sockaddr4 any = { 0, HTTP_PORT };

	listener = sys_socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	return listener >= 0 && sys_setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1) == 0 && sys_bind(listener, &any) == 0 &&
	       sys_listen(listener, BACKLOG) == 0;
}

void app_main(void)
{
	static const char *const names[WORKERS] = { "worker-1", "worker-2", "worker-3", "worker-4" };
	unsigned i;

	requests_total = counter("http_requests_total", UNIOBS_UNIT_EVENTS);
	errors_total = counter("http_errors_total", UNIOBS_UNIT_EVENTS);
	ticks_total = counter("ticks_total", UNIOBS_UNIT_EVENTS);
	sweeps_total = counter("store_sweeps_total", UNIOBS_UNIT_EVENTS);
	keys = uniobs_counter_new("kv_keys", UNIOBS_COUNTER_KIND_GAUGE, UNIOBS_UNIT_NONE);
	mutex_init(&store_lock, "store");
	cond_init(&store_cond, "store_changed");
	sem_init(&shutdown_requested, "shutdown", 0);
	dump_register(dump);
	calls_init();
	fd_init();
	ramfs_init();
	virtio_console_init();
	thread_create("ticker", ticker, NULL, SMALL_STACK);
	thread_create("housekeeping", housekeeping, NULL, SMALL_STACK);
	if (!net_init()) {
		klog(UNIOBS_LEVEL_WARN, "no network card: nothing to serve");
	} else if (!listen_http()) {
		klog(UNIOBS_LEVEL_ERR, "cannot listen on port %d", HTTP_PORT);
	} else {
		for (i = 0; i < WORKERS; i++)
			thread_create(names[i], worker, (void *)(uintptr_t)names[i], WORKER_STACK);
		thread_create("udp-echo", udp_echo, NULL, SMALL_STACK);
		klog(UNIOBS_LEVEL_INFO, "listening on port %d, %u workers", HTTP_PORT, WORKERS);
	}
	/* nobody posts it: the guest ends by kexit or by dying */
	sem_wait(&shutdown_requested, 0);
}
