/* A process of several threads that knows nothing of uniobs: process WAY, which is "wait", or how it dies. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile int *nothing;

static __attribute__((noinline)) void deref(volatile int *p)
{
	*p = 42;
}

static void handler(int number)
{
	(void)number;
	_exit(3);
}

static __attribute__((noinline)) int deep(int n)
{
	volatile char page[4096];

	page[0] = (char)n;
	return deep(n + 1) + page[0];
}

static __attribute__((noinline)) void behind_the_end(void)
{
	FILE *file = tmpfile();
	volatile char *bytes = mmap(0, 8192, PROT_READ, MAP_SHARED, fileno(file), 0);

	(void)bytes[4096];
}

static __attribute__((noinline)) void die(const char *way)
{
	if (!strcmp(way, "null"))
		deref(nothing);
	if (!strcmp(way, "abort"))
		abort();
	if (!strcmp(way, "bus"))
		behind_the_end();
	if (!strcmp(way, "sent-ill"))
		kill(getpid(), SIGILL);
	if (!strcmp(way, "sent-segv"))
		raise(SIGSEGV);
	if (!strcmp(way, "no-address"))
		deref((volatile int *)0x8000000000000000);
	if (!strcmp(way, "no-stack")) {
		signal(SIGSEGV, handler);
		deep(0);
	}
	if (!strcmp(way, "int3"))
		__asm__ volatile("int3");
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
