/* threads.c - threads of a Linux process: a row and a trace ring each. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "private.h"

#define NO_RING (~0u)

_Thread_local uint32_t uniobs_hosted_ring __attribute__((tls_model("initial-exec"))) = NO_RING;
static _Thread_local struct uniobs_thread *self;
static _Thread_local uint32_t self_tid;

static uint32_t last_tid;
static uint8_t ring_taken[4096 / sizeof(struct uniobs_section)];
static pthread_key_t at_end;
static pthread_once_t at_end_once = PTHREAD_ONCE_INIT;

static struct uniobs_ring *ring(uint32_t index)
{
	return (struct uniobs_ring *)(uniobs_state.trace + index * uniobs_state.trace_stride);
}

/* The ring stays as it is: its events are read on, and the next thread that takes it writes after them. */
static void give_back(void *unused)
{
	uint32_t mine = uniobs_hosted_ring;

	(void)unused;
	uniobs_hosted_ring = NO_RING;
	uniobs_thread_exit(self);
	self = 0;
	uniobs_hosted_enter();
	if (mine != NO_RING)
		ring(mine)->owner = 0, ring_taken[mine] = 0;
	uniobs_hosted_exit();
}

static void make_key(void)
{
	pthread_key_create(&at_end, give_back);
}

static bool tid_in_use(uint32_t tid)
{
	for (uint32_t i = 0; i < uniobs_state.thread_rows; i++)
		if (uniobs_state.threads[i].tid == tid && uniobs_state.threads[i].state != UNIOBS_THREAD_STATE_EXITED)
			return true;
	return false;
}

/* Small numbers of our own, for they have 16 bits in an event and Linux's don't fit. */
static uint32_t take_tid_and_ring(void)
{
	uniobs_hosted_enter();
	do
		last_tid = last_tid < 0xffff ? last_tid + 1 : 1;
	while (tid_in_use(last_tid));
	self_tid = last_tid;
	for (uint32_t i = 0; i < uniobs_state.trace_rings && uniobs_hosted_ring == NO_RING; i++)
		if (!ring_taken[i]) {
			ring_taken[i] = 1;
			ring(i)->owner = self_tid;
			uniobs_hosted_ring = i;
		}
	uniobs_hosted_exit();
	return self_tid;
}

static uint64_t cpu_ticks(clockid_t clock)
{
	struct timespec t;

	return clock_gettime(clock, &t) ? 0 : uniobs_hosted_tsc((uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec);
}

static void runs(bool first)
{
	struct uniobs_header_live *live = uniobs_state.live;
	uint64_t sp = (uintptr_t)__builtin_frame_address(0);

	uniobs_hosted_enter();
	if (self) {
		uniobs_row_begin(&self->seq);
		if (first)
			self->os_tid = (uint32_t)gettid();
		self->state = UNIOBS_THREAD_STATE_RUNNING;
		self->cpu_ticks = cpu_ticks(CLOCK_THREAD_CPUTIME_ID);
		self->switches++;
		if (sp >= self->stack_lo && sp < self->stack_low_mark)
			self->stack_low_mark = sp;
		UNIOBS_ROW_END(self);
	}
	live->beat_tsc = UNIOBS_CLOCK();
	live->beat_count++;
	uniobs_live_seal();
	uniobs_hosted_exit();
}

struct uniobs_thread *uniobs_hosted_register(const char *name, uint64_t entry)
{
	pthread_attr_t attr;
	size_t size = 0;
	void *low = 0;

	if (!pthread_getattr_np(pthread_self(), &attr)) {
		pthread_attr_getstack(&attr, &low, &size);
		pthread_attr_destroy(&attr);
	}
	pthread_once(&at_end_once, make_key);
	self = uniobs_thread_add(take_tid_and_ring(), name, entry, (uintptr_t)low, (uintptr_t)low + size, 0);
	pthread_setspecific(at_end, &self);
	uniobs_hosted_signal_stack();
	runs(true);
	return self;
}

struct uniobs_thread *uniobs_hosted_self(void)
{
	return self;
}

uint32_t uniobs_hosted_tid(void)
{
	return self_tid;
}

struct start { void *(*entry)(void *); void *arg; char name[32]; };

static void *begin(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	pthread_setname_np(pthread_self(), start.name);
	uniobs_hosted_register(start.name, (uintptr_t)start.entry);
	return start.entry(start.arg);
}

int uniobs_hosted_thread(pthread_t *out, const char *name, void *(*entry)(void *), void *arg)
{
	struct start *start = malloc(sizeof *start);
	pthread_t thread;
	int error;

	if (!start)
		return -ENOMEM;
	start->entry = entry, start->arg = arg;
	uniobs_text((uint8_t *)start->name, 16, name);  /* Linux keeps no more of a thread's name */
	error = pthread_create(&thread, 0, begin, start);
	if (error) {
		free(start);
		return -error;
	}
	if (out)
		*out = thread;
	else
		pthread_detach(thread);
	return 0;
}

void uniobs_hosted_wait(uint8_t wait, uint64_t obj, uint64_t until_tsc, int fd)
{
	uniobs_thread_wait(self, wait, obj, until_tsc, fd);
}

void uniobs_hosted_resume(void)
{
	uniobs_thread_ready(self);
	runs(false);
}

void uniobs_hosted_sleep(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };

	uniobs_hosted_wait(UNIOBS_WAIT_SLEEP, 0, UNIOBS_CLOCK() + uniobs_hosted_tsc(ns), -1);
	while (nanosleep(&t, &t) && errno == EINTR)
		;
	uniobs_hosted_resume();
}

/* The kernel's encoding of "CPU time of that thread" as a clock. */
static clockid_t thread_clock(uint32_t os_tid)
{
	return (clockid_t)(~os_tid << 3 | 6);
}

void uniobs_hosted_sample(void)
{
	struct uniobs_header_live *live = uniobs_state.live;

	uniobs_hosted_enter();
	for (uint32_t i = 0; i < uniobs_state.thread_rows; i++) {
		struct uniobs_thread *t = &uniobs_state.threads[i];
		uint64_t ticks;

		if (!t->os_tid || t->state == UNIOBS_THREAD_STATE_FREE || t->state == UNIOBS_THREAD_STATE_EXITED)
			continue;
		ticks = cpu_ticks(thread_clock(t->os_tid));
		if (ticks <= t->cpu_ticks)
			continue;
		uniobs_row_begin(&t->seq);
		t->cpu_ticks = ticks;
		t->ticks_sampled += t->state == UNIOBS_THREAD_STATE_RUNNING;
		UNIOBS_ROW_END(t);
	}
	live->tick_tsc = UNIOBS_CLOCK();
	live->tick_count++;
	uniobs_live_seal();
	uniobs_hosted_exit();
}
