/* A bare aarch64 guest that carries a region: threads, a lock, a socket, a log; then it waits. */
#include <uniobs/uniobs.h>

#include "uniobs_port.h"

#define UART (*(volatile uint32_t *)0x09000000) /* QEMU's virt machine: PL011 */

static uint8_t memory[1 << 17] __attribute__((aligned(4096)));
uint8_t stack[8192] __attribute__((aligned(16)));
__asm__(".global stack_top\n.set stack_top, stack + 8192\n");

void *memset(void *to, int byte, unsigned long size); /* the compiler calls them */
void *memset(void *to, int byte, unsigned long size)
{
	for (volatile uint8_t *t = to; size--; t++)
		*t = (uint8_t)byte;
	return to;
}

void *memcpy(void *to, const void *from, unsigned long size);
void *memcpy(void *to, const void *from, unsigned long size)
{
	const uint8_t *f = from;

	for (volatile uint8_t *t = to; size--; t++)
		*t = *f++;
	return to;
}

static __attribute__((noinline)) void say(const char *text)
{
	while (*text)
		UART = (uint8_t)*text++;
}

static void log(uint32_t tid, const char *text)
{
	uint32_t n = 0;

	while (text[n])
		n++;
	uniobs_log(6, tid, text, n);
}

static __attribute__((noinline)) void inner(uint64_t mark)
{
#ifdef RECORD /* a function that calls others has a frame record of its own */
	say(".");
#endif
	for (;;)
		__asm__ volatile("mov x19, %0\n\twfi" : : "r"(mark) : "x19");
}

static __attribute__((noinline)) void middle(uint64_t mark)
{
	inner(mark + 1);
	__asm__ volatile("" : : : "memory");
}

void kernel(void);
void kernel(void)
{
	uint64_t hz;
	struct uniobs_config c = {
		.memory = memory, .size = sizeof memory, .pa = (uintptr_t)memory, .cpus = 1, .counters = 8, .events = 8,
		.threads = 8, .locks = 8, .sockets = 4, .strings = 4096, .log_slots = 64, .trace_slots = 64,
		.kernel = "bare-arm", .app = "answer", .switch_regs = { 255, 255, 255, 255, 255, 255, 255 },
	};
	uniobs_thread_t *idle, *worker;
	uniobs_socket_t *row, listening = { .kind = UNIOBS_FD_KIND_TCP };
	uniobs_lock_t *lock;

	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
	c.tsc_khz = (uint32_t)(hz / 1000), c.anchor_tsc = UNIOBS_CLOCK();
	if (uniobs_init(&c))
		return;
	idle = uniobs_thread_add(1, "idle", (uintptr_t)inner, (uintptr_t)stack, (uintptr_t)stack + sizeof stack, UNIOBS_THREAD_FLAG_IDLE);
	worker = uniobs_thread_add(2, "worker", (uintptr_t)middle, 0, 0, 0);
	lock = uniobs_lock_add(UNIOBS_LOCK_KIND_MUTEX, 0x1234, "ledger");
	uniobs_lock_acquired(lock, 2, (uintptr_t)middle + 4);
	row = uniobs_socket_add(UNIOBS_FD_KIND_TCP, 7, 3, 2);
	listening.id = 7, listening.fd = 3, listening.owner_tid = 2, listening.family = 4;
	listening.state = UNIOBS_TCP_LISTEN, listening.lport = 80;
	uniobs_socket_set(row, &listening);
	uniobs_count(uniobs_counter_new("requests", 1, 4), 42);
	uniobs_set_state(UNIOBS_STATE_RUNNING, 0);
	uniobs_thread_wait(worker, UNIOBS_WAIT_ACCEPT, 7, 0, 3);
	uniobs_switch(0, idle, 0, 0);
	log(2, "hello from aarch64");
	say("ready\n");
	middle(0x1122334455667787);
}
