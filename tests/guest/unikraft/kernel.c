/* A cooperative kernel whose structures are shaped as Unikraft's. SCENARIO says how it goes on:
 * run, deadlock, spin, crash, assert or exit.
 */
#include "shapes.h"

#define SELF(name) { 0, 0, 0, { .wait_list = { 0, &(name).wait.wait_list.stqh_first } } }
#define PAGES 17
#define STACK_SIZE (64 * 1024)

struct shelf {
	int number;
	struct uk_mutex locks[2];
};

struct uk_mutex lock_a = SELF(lock_a);
struct shelf shelf = { 7, { SELF(shelf.locks[0]), SELF(shelf.locks[1]) } };
struct uk_semaphore jobs = { .wait = { .wait_list = { 0, &jobs.wait.wait_list.stqh_first } } };
struct schedcoop coop;
struct uk_sched *uk_sched_head;
struct uk_thread *__uk_sched_thread_current[CPUS];
struct uk_thread init_thread, threads[3];
#ifdef MANY
static struct uk_thread many[MANY];
#endif
volatile unsigned long ticks, spin_count;
volatile int answer = 41;

static struct {
	struct metadata_ifpages head;
	char space[PAGES * 4096 - sizeof(struct metadata_ifpages)];
} pages[4] __attribute__((aligned(4096)));

struct tcp_pcb connection = {
	{ 0x0f02000a }, { 0x0202000a }, .state = ESTABLISHED, .local_port = 8080, .remote_port = 40000,
	.mss = 1460, .lastack = 0xfffffff0, .snd_lbb = 20, .cwnd = 2920, .rcv_wnd = 1000,
};
struct tcp_pcb_listen server = { .state = LISTEN, .local_port = 8080, .backlog = 8, .accepts_pending = 2 };
struct udp_pcb resolver = { .local_port = 53 };
struct netif loop = { 0, { 0x0100007f }, { 0x000000ff }, { 0 }, .name = "lo" };
struct netif card = {
	&loop, { 0x0f02000a }, { 0x00ffffff }, { 0x0202000a }, 1500,
	{ 0x52, 0x54, 0, 0x12, 0x34, 0x56 }, 6, 15, "en", 1,
};
struct tcp_pcb *tcp_active_pcbs = &connection, *tcp_tw_pcbs, *tcp_bound_pcbs;
union tcp_listen_pcbs_t tcp_listen_pcbs = { &server };
struct udp_pcb *udp_pcbs = &resolver;
struct netif *netif_list = &card;

static void put(const char *text)
{
	for (; *text; text++)
		__asm__ volatile("outb %0, %1" : : "a"(*text), "Nd"((uint16_t)0x3f8));
}

static inline uint64_t now(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return ((uint64_t)high << 32 | low) / 2;
}

__attribute__((noreturn, noinline)) static void cpu_halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

__attribute__((noreturn, noinline)) void ukplat_terminate(int request)
{
	put(request ? "it crashed\n" : "it ended\n");
	cpu_halt();
}

__attribute__((noinline)) void uk_pr_crit(const char *file, const char *form, const char *text)
{
	put(file);
	put(form);
	put(text);
}

#define UK_ASSERT(x) do { \
	if (!(x)) { \
		uk_pr_crit("kernel.c", "Assertion failure: %s\n", #x); \
		ukplat_terminate(2); \
	} \
} while (0)

void do_page_fault(struct __regs *regs, unsigned long error)
{
	(void)regs;
	(void)error;
	ukplat_terminate(2);
}

static void append(struct uk_thread_list *list, struct uk_thread *t)
{
	t->thread_list.tqe_next = 0;
	t->thread_list.tqe_prev = list->tqh_last;
	*list->tqh_last = t;
	list->tqh_last = &t->thread_list.tqe_next;
}

static void ready(struct uk_thread *t)
{
	t->queue.tqe_next = 0;
	t->queue.tqe_prev = coop.run_queue.tqh_last;
	*coop.run_queue.tqh_last = t;
	coop.run_queue.tqh_last = &t->queue.tqe_next;
}

static void schedcoop_schedule(struct uk_sched *s)
{
	struct uk_thread *prev = __uk_sched_thread_current[0], *next = coop.run_queue.tqh_first;
	uint64_t time = now();

	(void)s;
	prev->exec_time += time - coop.ts_prev_switch;
	coop.ts_prev_switch = time;
	if (next) {
		coop.run_queue.tqh_first = next->queue.tqe_next;
		if (!next->queue.tqe_next)
			coop.run_queue.tqh_last = &coop.run_queue.tqh_first;
		if (prev != &coop.idle && prev->flags & UK_THREADF_RUNNABLE)
			ready(prev);
	} else if (prev->flags & UK_THREADF_RUNNABLE) {
		return;
	} else {
		next = &coop.idle;
	}
	__uk_sched_thread_current[0] = next;
	switch_to(prev, next);
}

__attribute__((noinline)) static void wait(struct uk_waitq *wq)
{
	struct uk_thread *me = __uk_sched_thread_current[0];
	struct uk_waitq_entry entry = { 1, me, { 0 } };

	*wq->wait_list.stqh_last = &entry;
	wq->wait_list.stqh_last = &entry.thread_list.stqe_next;
	me->flags &= ~(uint32_t)UK_THREADF_RUNNABLE;
	me->wakeup_time = 0;
	schedcoop_schedule(me->sched);
	__asm__ volatile("" : : "r"(&entry) : "memory");
}

__attribute__((noinline)) void uk_mutex_lock(struct uk_mutex *m)
{
	while (m->owner)
		wait(&m->wait);
	m->owner = __uk_sched_thread_current[0];
	m->lock_count++;
}

__attribute__((noinline)) void uk_semaphore_down(struct uk_semaphore *s)
{
	while (s->count <= 0)
		wait(&s->wait);
	s->count--;
}

__attribute__((noinline)) void take_both(struct uk_mutex *first, struct uk_mutex *second)
{
	uk_mutex_lock(first);
	schedcoop_schedule(&coop.sched);
	uk_mutex_lock(second);
	ticks++;
}

__attribute__((noinline)) void deref(volatile int *p, int v)
{
	*p = v;
}

__attribute__((noinline)) void crash_here(void)
{
	deref((volatile int *)(uintptr_t)(ticks & 0), 42);
	ticks++;
}

__attribute__((noinline)) void assert_here(int want)
{
	UK_ASSERT(answer == want);
	ticks++;
}

__attribute__((noinline)) void spin_here(void)
{
	for (;;)
		spin_count++;
}

static int is(const char *word)
{
	const char *scenario = SCENARIO;

	while (*word && *word == *scenario)
		word++, scenario++;
	return *word == *scenario;
}

__attribute__((noinline)) static void worker_a(void)
{
	if (is("crash"))
		crash_here();
	if (is("assert"))
		assert_here(42);
	if (is("spin"))
		spin_here();
	if (is("deadlock"))
		take_both(&lock_a, &shelf.locks[1]);
	uk_semaphore_down(&jobs);
	cpu_halt();
}

__attribute__((noinline)) static void worker_b(void)
{
	if (is("deadlock"))
		take_both(&shelf.locks[1], &lock_a);
	uk_semaphore_down(&jobs);
	cpu_halt();
}

__attribute__((noinline)) static void ticker(void)
{
	struct uk_thread *me = __uk_sched_thread_current[0];

	me->wakeup_time = (int64_t)(coop.ts_prev_switch + 3600000000000ull);
	me->flags &= ~(uint32_t)UK_THREADF_RUNNABLE;
	schedcoop_schedule(me->sched);
	cpu_halt();
}

__attribute__((noinline)) static void idle_thread_fn(void)
{
	for (;;) {
		schedcoop_schedule(&coop.sched);
		__asm__ volatile("sti; hlt");
	}
}

static void create(struct uk_thread *t, int number, const char *name, void (*entry)(void))
{
	char *stack = pages[number].space;
	uintptr_t *top = (uintptr_t *)(stack + STACK_SIZE);

	pages[number].head = (struct metadata_ifpages){ STACK_SIZE, PAGES, &pages[number] };
	*--top = 0;
	*--top = (uintptr_t)entry;
	t->ctx = (struct ukarch_ctx){ (uintptr_t)start_thread, (uintptr_t)top };
	t->flags = UK_THREADF_RUNNABLE | UK_THREADF_QUEUEABLE;
	t->sched = &coop.sched;
	t->_mem.stack = stack;
	t->name = name;
	append(&coop.sched.thread_list, t);
	if (t != &coop.idle)
		ready(t);
}

void ukplat_entry(void)
{
	struct uk_sched *s = &coop.sched;

	s->yield = schedcoop_schedule;
	s->thread_list.tqh_last = &s->thread_list.tqh_first;
	s->exited_threads.tqh_last = &s->exited_threads.tqh_first;
	coop.run_queue.tqh_last = &coop.run_queue.tqh_first;
	coop.sleep_queue.tqh_last = &coop.sleep_queue.tqh_first;
	uk_sched_head = s;
	create(&coop.idle, 0, "idle", idle_thread_fn);
	init_thread.flags = UK_THREADF_RUNNABLE;
	init_thread.sched = s;
	init_thread.name = "init";
	append(&s->thread_list, &init_thread);
	__uk_sched_thread_current[0] = &init_thread;
	coop.ts_prev_switch = now();
	create(&threads[0], 1, "worker-a", worker_a);
	create(&threads[1], 2, "worker-b", worker_b);
	create(&threads[2], 3, "ticker", ticker);
#ifdef MANY
	for (unsigned int i = 0; i < MANY; i++) {
		many[i].ctx = threads[0].ctx;
		many[i].name = "one of many";
		append(&s->thread_list, &many[i]);
	}
#endif
	put("it runs\n");
	if (is("exit"))
		ukplat_terminate(0);
	uk_semaphore_down(&jobs);
	ukplat_terminate(0);
}
