/* A process of several threads that knows nothing of uniobs: process WAY, which is "wait", or how it dies. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int *nothing;

static __attribute__((noinline)) void deref(volatile int *p)
{
	*p = 42;
}

static __attribute__((noinline)) void die(const char *way)
{
	if (!strcmp(way, "null"))
		deref(nothing);
	if (!strcmp(way, "abort"))
		abort();
	pause();
}

static __attribute__((noinline)) void sleeps(int depth)
{
	if (depth)
		sleeps(depth - 1);
	else
		pause();
	__asm__ volatile("");
}

static void *work(void *arg)
{
	sleeps(*(int *)arg);
	return 0;
}

int main(int argc, char **argv)
{
	pthread_t threads[3];
	int depths[3] = { 1, 2, 3 };

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], 0, work, &depths[i]);
	usleep(100000);
	puts("ready");
	fflush(stdout);
	die(argc > 1 ? argv[1] : "wait");
	return 0;
}
