/*
 * cost.c - loops whose cost is measured. cost MODE TIMES prints the nanoseconds a turn; under callgrind,
 * --toggle-collect=turn_MODE counts a loop's instructions and nothing else.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "hosted.h"

static uint16_t event, disabled;
static uint32_t tid;
static uniobs_counter_t *counter;
static uint64_t words[UNIOBS_WORDS_MAX];

#define TURN(name, ...) \
	__attribute__((noinline)) void turn_##name(unsigned times); \
	void turn_##name(unsigned times) { for (unsigned i = 0; i < times; i++) { __VA_ARGS__; __asm__ volatile("" : : : "memory"); } }

TURN(empty, (void)0)
TURN(clock, uint64_t t = __builtin_ia32_rdtsc(); __asm__ volatile("" : : "r"(t)))
TURN(disabled, uniobs_emit2(disabled, tid, i, i))
TURN(gated, if (uniobs_on(disabled)) uniobs_emit2(disabled, tid, i, i))
TURN(emit2, uniobs_emit2(event, tid, i, i))
TURN(emit8, uniobs_emit(event, tid, words, 8))
TURN(count, uniobs_count(counter, 1))
TURN(log40, uniobs_log(UNIOBS_LEVEL_INFO, tid, "forty bytes of text, as logs often have.", 40))

static const struct { const char *name; void (*turn)(unsigned); } modes[] = {
	{ "empty", turn_empty }, { "clock", turn_clock }, { "disabled", turn_disabled }, { "gated", turn_gated }, { "emit2", turn_emit2 },
	{ "emit8", turn_emit8 }, { "count", turn_count }, { "log40", turn_log40 },
};

int main(int argc, char **argv)
{
	unsigned times = argc > 2 ? (unsigned)strtoul(argv[2], 0, 10) : 0;
	struct timespec a, b;

	if (argc < 3 || uniobs_hosted_start("cost", 0))
		return 2;
	tid = uniobs_hosted_tid();
	event = uniobs_event("measured", UNIOBS_PHASE_INSTANT, UNIOBS_CATEGORY_OTHER, 0, 0, 0);
	disabled = uniobs_event("disabled", UNIOBS_PHASE_INSTANT, UNIOBS_CATEGORY_OTHER, 0, 0, 0);
	counter = uniobs_counter_new("counter", UNIOBS_COUNTER_KIND_COUNTER, UNIOBS_UNIT_NONE);
	uint8_t *region = uniobs_region(0);
	const struct uniobs_section *s = (void *)(region + UNIOBS_DIRECTORY_OFFSET);
	while (s->kind != UNIOBS_SECTION_EVENTS)
		s++;
	((struct uniobs_event *)(region + s->offset))[disabled].enabled = 0;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (!strcmp(argv[1], modes[i].name)) {
			clock_gettime(CLOCK_MONOTONIC, &a);
			modes[i].turn(times);
			clock_gettime(CLOCK_MONOTONIC, &b);
			printf("%.4f\n", ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / times);
			return 0;
		}
	return 2;
}
