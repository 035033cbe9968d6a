/* breakage.c - ways to break the guest on purpose; tools are judged by how they explain these lines. */
#include "internal.h"

#define NOINLINE __attribute__((noinline))

static struct mutex accounts, ledger;

static volatile bool never;

/* --- null: a write through a null pointer, in an inlined helper ------------------------------------- */
static inline __attribute__((always_inline)) void poke(volatile int *p)
{
	*p = 42; /* the faulting line */
}

static volatile int *volatile nowhere; /* null, unknown to the compiler, which would make a trap of it */

static NOINLINE void deref(volatile int *p)
{
	poke(p);
	klog(UNIOBS_LEVEL_DEBUG, "page 0 is mapped?");
}

/* --- smash: a copy that doesn't fit ------------------------------------------------------------------ */
static volatile size_t name_size = 62;

static NOINLINE int parse_name(const char *name, size_t n)
{
	char copy[16];

	memcpy(copy, name, n);
	return copy[0] + copy[n / 2];
}

/* --- overflow: recursion without an end --------------------------------------------------------------- */
static NOINLINE uint64_t recurse(uint64_t depth)
{
	volatile uint64_t local[16];

	local[depth % 16] = depth;
	if (never)
		return depth;
	return recurse(depth + 1) + local[depth % 16];
}

/* --- assert: what can't be, is ------------------------------------------------------------------------ */
static volatile int balance = -7;

static NOINLINE void check_balance(int now)
{
	kassert(now >= 0);
	klog(UNIOBS_LEVEL_INFO, "balance: %d", now);
}

/* --- spin --------------------------------------------------------------------------------------------- */
static NOINLINE void spin_forever(void)
{
	while (!never)
		;
}

static void spinner(void *irqs_off)
{
	if (irqs_off != NULL)
		__asm__ volatile("cli");
	spin_forever();
}

/* --- deadlock: two locks, two orders ------------------------------------------------------------------ */
static void transfer_a(void *arg)
{
	(void)arg;
	mutex_lock(&accounts);
	sleep_ms(50);
	mutex_lock(&ledger); /* transfer-b has it */
	mutex_unlock(&ledger);
	mutex_unlock(&accounts);
}

static void transfer_b(void *arg)
{
	(void)arg;
	mutex_lock(&ledger);
	sleep_ms(50);
	mutex_lock(&accounts); /* transfer-a has it */
	mutex_unlock(&accounts);
	mutex_unlock(&ledger);
}

static void deadlock(void)
{
	mutex_init(&accounts, "accounts");
	mutex_init(&ledger, "ledger");
	thread_create("transfer-a", transfer_a, NULL, 16384);
	thread_create("transfer-b", transfer_b, NULL, 16384);
}

/* --- leak: nobody frees what a sweep remembers --------------------------------------------------------- */
struct remembered { struct remembered *next; uint64_t when; };
static struct remembered *history;

static NOINLINE void leak_sweep(size_t bytes)
{
	struct remembered *r = kmalloc_must(bytes);

	r->next = history;
	r->when = clock_ns();
	history = r;
}

static void leaker(void *arg)
{
	size_t bytes = heap_total() / 512;

	(void)arg;
	for (unsigned n = 1;; n++) {
		leak_sweep(bytes);
		if (n % 8 == 0)
			sleep_ms(10);
	}
}

bool breakage_start(const char *kind)
{
	static const char long_name[] = "a name that is a good deal longer than its author had thought";

	klog(UNIOBS_LEVEL_WARN, "break: %s", kind);
	if (strcmp(kind, "null") == 0)
		deref(nowhere);
	else if (strcmp(kind, "smash") == 0)
		parse_name(long_name, name_size);
	else if (strcmp(kind, "overflow") == 0)
		recurse(1);
	else if (strcmp(kind, "assert") == 0)
		check_balance(balance);
	else if (strcmp(kind, "spin") == 0)
		thread_create("spinner", spinner, NULL, 16384);
	else if (strcmp(kind, "spin-irqoff") == 0)
		thread_create("spinner", spinner, (void *)1, 16384);
	else if (strcmp(kind, "deadlock") == 0)
		deadlock();
	else if (strcmp(kind, "leak") == 0)
		thread_create("leaker", leaker, NULL, 16384);
	else if (strcmp(kind, "exit") == 0)
		kexit(0);
	else
		return false;
	return true;
}

/* --- on the command line: break=KIND break_after_ms=N, park=MS park_after_ms=N ------------------------- */
static char wanted[32];

static uint32_t number(const char *name)
{
	const char *value = cmdline_option(name);

	return value == NULL ? 0 : (uint32_t)strtoul(value, NULL, 10);
}

static void breaker(void *arg)
{
	(void)arg;
	if (number("break_after_ms") != 0)
		sleep_ms(number("break_after_ms"));
	if (!breakage_start(wanted))
		klog(UNIOBS_LEVEL_ERR, "break=%s: no such kind", wanted);
}

static void parker(void *arg)
{
	(void)arg;
	if (number("park_after_ms") != 0)
		sleep_ms(number("park_after_ms"));
	park(number("park"));
}

void breakage_from_cmdline(void)
{
	const char *value = cmdline_option("break");

	if (value != NULL) {
		strlcpy(wanted, value, sizeof(wanted));
		thread_create("breaker", breaker, NULL, 16384);
	}
	if (number("park") != 0)
		thread_create("parker", parker, NULL, 16384);
}
