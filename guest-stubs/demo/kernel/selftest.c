/* selftest.c - selftest=MS on the command line: threads at work on every primitive at once, counted against each other. */
#include "internal.h"

#define WORKERS 6u
#define SLOTS 8u
#define BLOCKS 64u

static struct mutex lock;
static struct cond filled, emptied;
static struct sem done;
static uint64_t queue[SLOTS], head, tail, sent, received, sum_sent, sum_received;
static uint64_t deadline;

static bool over(void)
{
	return clock_ns() >= deadline;
}

/* Waits have time limits, so that nobody is left behind at the end. */
static void producer(void *arg)
{
	for (uint64_t n = (uint64_t)arg; !over(); n += WORKERS) {
		mutex_lock(&lock);
		while (head - tail == SLOTS && !over())
			cond_wait(&emptied, &lock, 20);
		if (head - tail < SLOTS) {
			queue[head++ % SLOTS] = n;
			sent++;
			sum_sent += n;
			cond_signal(&filled);
		}
		mutex_unlock(&lock);
	}
	sem_post(&done);
}

static void consumer(void *arg)
{
	(void)arg;
	for (;;) {
		bool last;

		mutex_lock(&lock);
		while (head == tail && !over())
			cond_wait(&filled, &lock, 20);
		if (head != tail) {
			received++;
			sum_received += queue[tail++ % SLOTS];
			cond_broadcast(&emptied);
		}
		last = head == tail && over();
		mutex_unlock(&lock);
		if (last)
			break;
	}
	sem_post(&done);
}

/* Blocks of many sizes, each full of its own mark, freed in another order. */
static void allocator(void *arg)
{
	uint64_t x = (uint64_t)arg * 0x9e3779b97f4a7c15ull + 1;
	uint8_t *block[BLOCKS] = { NULL };
	size_t size[BLOCKS];

	while (!over()) {
		unsigned i = (unsigned)(x >> 33) % BLOCKS;

		x = x * 6364136223846793005ull + 1442695040888963407ull;
		for (size_t n = 0; block[i] != NULL && n < size[i]; n++)
			kassert(block[i][n] == (uint8_t)i);
		kfree(block[i]);
		size[i] = 1 + (x >> 20) % 3000;
		block[i] = kmalloc_must(size[i]);
		memset(block[i], (int)i, size[i]);
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		kfree(block[i]);
	sem_post(&done);
}

/* What threads may not share with what interrupts them: their registers. */
static void counter(void *arg)
{
	uint64_t a = (uint64_t)arg, b = a, n = 0;

	for (; !over(); n++) {
		for (int i = 0; i < 1000; i++) {
			a = a * 6364136223846793005ull + 1;
			b = b * 6364136223846793005ull + 1;
		}
		kassert(a == b);
		if (n % 64 == 0)
			thread_yield();
	}
	sem_post(&done);
}

static void selftest(void *ms)
{
	static void (*const work[])(void *) = { producer, consumer, producer, consumer, allocator, allocator, counter, counter };
	unsigned started = 0;

	deadline = clock_ns() + (uint64_t)ms * 1000000;
	mutex_init(&lock, "selftest");
	cond_init(&filled, "filled");
	cond_init(&emptied, "emptied");
	sem_init(&done, "done", 0);
	for (unsigned i = 0; i < sizeof(work) / sizeof(work[0]); i++)
		if (thread_create("selftest", work[i], (void *)(uintptr_t)(i + 1), 16384) != NULL)
			started++;
	for (unsigned i = 0; i < started; i++)
		sem_wait(&done, 0);
	for (; head != tail; received++) /* a producer may come after the last consumer has gone */
		sum_received += queue[tail++ % SLOTS];
	mutex_destroy(&lock);
	cond_destroy(&filled);
	cond_destroy(&emptied);
	sem_destroy(&done);
	kassert(sent == received && sum_sent == sum_received && sent > 0);
	klog(UNIOBS_LEVEL_NOTICE, "selftest: ok, %lu handed over", sent);
}

void selftest_from_cmdline(void)
{
	const char *ms = cmdline_option("selftest");

	if (ms != NULL)
		thread_create("selftest", selftest, (void *)strtoul(ms, NULL, 10), 16384);
}
