/* race_point.h - included before the library's files by race.c's build: writers dawdle between the stores of a slot,
 * and hand the CPU to the next one there. */
#ifndef RACE_POINT_H
#define RACE_POINT_H

extern int sched_yield(void);

static inline void race_point(void)
{
	static _Thread_local unsigned turn;

	turn = turn * 1664525u + 1013904223u;
	if (turn >> 20 == 0)
		sched_yield();
	else if (turn >> 26 == 0)
		for (volatile int i = 0; i < 500; i++)
			;
}

#define UNIOBS_POINT() race_point()

#endif
