/*
 * race.c - three writers on one core, so that they are preempted in the middle of events; a reader races them.
 *
 * race SECONDS SLOTS: prints "pid N" at the start and, per writer, "writer ring=R events=E slots=S" at the end;
 * stays until its standard input ends. Every word of an event follows from the event's number, so that a
 * mixture of two events can't pass for one.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "hosted.h"

#define WRITERS 3

extern _Thread_local uint32_t uniobs_hosted_ring;

static uint16_t short_event, long_event;
static int stop;
static struct { uint32_t ring; uint64_t events, slots; } done[WRITERS];

static uint64_t word(uint64_t number, uint64_t k)
{
	uint64_t x = (number + 1) * 0x9e3779b97f4a7c15u ^ (k + 1) * 0xc2b2ae3d27d4eb4fu;

	return x ^ x >> 29;
}

/* Nothing, or 1..14 further slots: the words that fill them exactly. */
static uint32_t parts_of(uint64_t number)
{
	uint32_t r = (uint32_t)(word(number, 1000) >> 32);

	return r & 3 ? 0 : 1 + (r >> 2) % 14;
}

static void *writer(void *arg)
{
	const struct timespec pause = { 0, 20000 };
	unsigned index = (unsigned)(uintptr_t)arg;
	uint64_t words[UNIOBS_WORDS_MAX], number = 0, slots = 0;
	uint32_t tid = uniobs_hosted_tid();

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		/* Bursts longer than the ring, and bursts that a reader can follow. */
		uint32_t burst = number & 4096 ? 100 : 3000;

		for (uint32_t i = 0; i < burst; i++, number++) {
			uint32_t parts = parts_of(number), n = 2 + 3 * parts;

			if (!parts) {
				uniobs_emit2(short_event, tid, number, word(number, 1));
			} else {
				words[0] = number;
				for (uint32_t k = 1; k < n; k++)
					words[k] = word(number, k);
				uniobs_emit(long_event, tid, words, n);
			}
			slots += 1 + parts;
		}
		if (burst == 100)
			nanosleep(&pause, 0);
	}
	done[index].ring = uniobs_hosted_ring;
	done[index].events = number;
	done[index].slots = slots;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct uniobs_arg_def args[] = { { UNIOBS_ARG_U64, 0, "number" }, { UNIOBS_ARG_HEX, 1, "check" } };
	const struct uniobs_hosted_sizes sizes = { .rings = WRITERS + 1, .trace_slots = argc > 2 ? (uint32_t)atoi(argv[2]) : 256 };
	pthread_t threads[WRITERS];
	cpu_set_t one;

	if (argc < 2 || uniobs_hosted_start("race", &sizes))
		return 2;
	short_event = uniobs_event("short", UNIOBS_PHASE_INSTANT, UNIOBS_CATEGORY_OTHER, 0, args, 2);
	long_event = uniobs_event("long", UNIOBS_PHASE_INSTANT, UNIOBS_CATEGORY_OTHER, 0, args, 2);
	printf("pid %d\n", getpid());
	fflush(stdout);
	if (getchar() == EOF)  /* the reader is ready */
		return 2;
	sched_getaffinity(0, sizeof one, &one);
	for (int cpu = 0, kept = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &one) && kept++)
			CPU_CLR(cpu, &one);
	sched_setaffinity(0, sizeof one, &one);  /* the writers inherit it */
	for (uintptr_t i = 0; i < WRITERS; i++)
		if (uniobs_hosted_thread(&threads[i], "writer", writer, (void *)i))
			return 2;
	sleep((unsigned)atoi(argv[1]));
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], 0);
	for (int i = 0; i < WRITERS; i++)
		printf("writer ring=%u events=%llu slots=%llu\n", done[i].ring, (unsigned long long)done[i].events, (unsigned long long)done[i].slots);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
