/* break.c - ways to break the hosted demo on purpose. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include "break.h"
#include "hosted.h"

static struct uniobs_mutex account_a, account_b;
static pthread_barrier_t both_hold_one;

__attribute__((noinline)) static void break_null(void)
{
	volatile int *volatile nowhere = 0;  /* so that the compiler neither knows nor drops it */

	*nowhere = 42;
}

__attribute__((noinline)) static int break_overflow(int depth)
{
	volatile char frame[4096];

	frame[0] = (char)depth;
	return depth < 0 ? 0 : break_overflow(depth + 1) + frame[0];
}

__attribute__((noinline)) static void break_spin(void)
{
	for (volatile unsigned n = 0;; n++)
		;
}

__attribute__((noinline)) static void transfer(struct uniobs_mutex *from, struct uniobs_mutex *to)
{
	uniobs_mutex_lock(from);
	pthread_barrier_wait(&both_hold_one);
	uniobs_mutex_lock(to);
	uniobs_mutex_unlock(to);
	uniobs_mutex_unlock(from);
}

static void *transfer_a(void *unused)
{
	transfer(&account_a, &account_b);
	return unused;
}

static void *transfer_b(void *unused)
{
	transfer(&account_b, &account_a);
	return unused;
}

static void break_deadlock(void)
{
	static int done;

	if (__atomic_exchange_n(&done, 1, __ATOMIC_RELAXED))
		return;
	uniobs_hosted_log(UNIOBS_LEVEL_WARN, "transfers start in both directions");
	uniobs_hosted_thread(0, "transfer-a", transfer_a, 0);
	uniobs_hosted_thread(0, "transfer-b", transfer_b, 0);
}

void break_init(void)
{
	uniobs_mutex_init(&account_a, "account-a");
	uniobs_mutex_init(&account_b, "account-b");
	pthread_barrier_init(&both_hold_one, 0, 2);
}

bool break_known(const char *how)
{
	static const char *const known[] = { "null", "abort", "overflow", "deadlock", "spin", "exit" };

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(how, known[i]))
			return true;
	return false;
}

void break_now(const char *how)
{
	uniobs_hosted_log(UNIOBS_LEVEL_WARN, "breaking: %s", how);
	if (!strcmp(how, "null"))
		break_null();
	else if (!strcmp(how, "abort"))
		abort();
	else if (!strcmp(how, "overflow"))
		break_overflow(1);
	else if (!strcmp(how, "deadlock"))
		break_deadlock();
	else if (!strcmp(how, "spin"))
		break_spin();
	else
		exit(0);
}
