/* Threads in every kind of stack that an unwinder meets; ends in abort() inside a signal handler. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int sink, parked;
static volatile int *volatile nowhere;

static void park(void)
{
	__atomic_add_fetch(&parked, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
}

__attribute__((noinline)) static int deep(int n)
{
	char pad[48];

	memset(pad, n, sizeof pad);
	sink += pad[n % 48];
	if (n == 0)
		park();
	n = deep(n - 1);
	sink += pad[3];
	return n;
}

static void *recursing(void *arg)
{
	return (void *)(long)deep((int)(long)arg);
}

static inline __attribute__((always_inline)) void inner(int x)
{
	sink += x;
	park();
}

static inline __attribute__((always_inline)) void outer(int x)
{
	if (x)
		inner(x + 1);
}

static void *inlining(void *arg)
{
	outer((int)(long)arg + 1);
	return arg;
}

static int compare(const void *a, const void *b)
{
	if (*(const int *)a == 3)
		park();
	return *(const int *)a - *(const int *)b;
}

static void *sorting(void *arg)
{
	int values[8] = { 3, 9, 1, 7, 5, 2, 8, 4 };

	qsort(values, 8, sizeof values[0], compare);
	return arg;
}

__attribute__((noinline)) static void big_frame(unsigned n)
{
	char room[n];

	memset(room, 1, n);
	sink += room[n / 2];
	park();
}

static void *variable(void *arg)
{
	big_frame((unsigned)(long)arg);
	return arg;
}

__attribute__((noinline)) static void on_signal(int number)
{
	sink += number;
	abort();
}

__attribute__((noinline)) static void fault(volatile int *where)
{
	*where = 42;
	sink++;
}

int main(void)
{
	pthread_t t;
	static char alternate[65536];
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	pthread_create(&t, NULL, recursing, (void *)60L);
	pthread_create(&t, NULL, inlining, (void *)1L);
	pthread_create(&t, NULL, sorting, NULL);
	pthread_create(&t, NULL, variable, (void *)5000L);
	while (__atomic_load_n(&parked, __ATOMIC_SEQ_CST) != 4)
		usleep(1000);
	usleep(20000);
	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	fault(nowhere);
	return sink;
}
