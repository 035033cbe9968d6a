/* thread.c - making, naming, ending threads. */
#include "internal.h"

struct thread threads[THREADS_MAX];
static uint32_t last_tid;
static struct thread *dying; /* its stack is still in use until somebody else runs */

struct thread *thread_self(void)
{
	return current;
}

uint32_t thread_tid(void)
{
	return current == NULL ? 0 : current->tid;
}

static void bury(void)
{
	if (dying == NULL || dying == current)
		return;
	stack_free(dying->stack_hi);
	dying->tid = 0;
	dying = NULL;
}

static struct thread *make(const char *name, void (*entry)(void *), void *arg, size_t stack_size, uint16_t flags)
{
	struct thread *t = NULL;
	uint64_t *sp, lo, hi;

	bury();
	for (unsigned i = 0; i < THREADS_MAX && t == NULL; i++)
		if (threads[i].tid == 0)
			t = &threads[i];
	if (t == NULL || !stack_alloc(stack_size, &lo, &hi))
		return NULL;
	*t = (struct thread){ .tid = ++last_tid, .stack_lo = lo, .stack_hi = hi, .entry = (uint64_t)entry, .wait_fd = -1 };
	strlcpy(t->name, name, sizeof(t->name));
	/* What switch_threads pops: r15 r14 r13 r12 rbx rbp, then where to go on. */
	sp = (uint64_t *)hi - 9;
	sp[2] = (uint64_t)arg;
	sp[3] = (uint64_t)entry;
	sp[6] = (uint64_t)thread_start + 1;
	t->sp = (uint64_t)sp;
	t->row = uniobs_thread_add(t->tid, t->name, t->entry, lo, hi, flags);
	return t;
}

struct thread *thread_create(const char *name, void (*entry)(void *), void *arg, size_t stack_size)
{
	uint64_t flags = irq_save();
	struct thread *t = make(name, entry, arg, stack_size, 0);

	if (t != NULL)
		ready_add(t);
	irq_restore(flags);
	if (t == NULL)
		klog(UNIOBS_LEVEL_ERR, "no thread or stack left for %s (%lu bytes of stack)", name, (uint64_t)stack_size);
	return t;
}

void thread_exit(void)
{
	__asm__ volatile("cli");
	bury();
	dying = current;
	current->state = UNIOBS_THREAD_STATE_EXITED;
	uniobs_thread_exit(current->row);
	schedule();
	__builtin_unreachable();
}

void thread_yield(void)
{
	uint64_t flags = irq_save();

	schedule();
	irq_restore(flags);
}

void sleep_ms(uint32_t ms)
{
	uint64_t flags = irq_save();

	wait_block(NULL, UNIOBS_WAIT_SLEEP, 0, rdtsc() + ms_to_tsc(ms));
	irq_restore(flags);
}

void thread_set_wait(uint8_t wait, uint64_t obj, int32_t fd)
{
	current->say_wait = wait;
	current->say_obj = obj;
	current->say_fd = fd;
	current->say = true;
}

void thread_clear_wait(void)
{
	current->say = false;
}

static void idle(void *arg)
{
	(void)arg;
	for (;;)
		__asm__ volatile("hlt");
}

void threads_init(void)
{
	idle_thread = make("idle", idle, NULL, 8192, UNIOBS_THREAD_FLAG_IDLE);
	idle_thread->state = UNIOBS_THREAD_STATE_READY;
}

void threads_start(void)
{
	static struct thread boot; /* where the boot stack's context goes, never to come back */

	__asm__ volatile("cli");
	boot.state = UNIOBS_THREAD_STATE_EXITED;
	boot.on_cpu_since = rdtsc();
	current = &boot;
	schedule();
	__builtin_unreachable();
}

static const char *const state_names[] = { "free", "running", "ready", "blocked", "sleeping", "exited" };
static const char *const wait_names[] = { "none", "mutex", "cond", "sem", "sleep", "join", "accept", "recv",
	"send", "connect", "mbox", "poll", "irq", "other" };

void threads_dump(void)
{
	uint64_t now = rdtsc();

	for (unsigned i = 0; i < THREADS_MAX; i++) {
		const struct thread *t = &threads[i];

		if (t->tid == 0 || t->state == UNIOBS_THREAD_STATE_EXITED)
			continue;
		dump_begin("threads");
		dump_u64("tid", t->tid);
		dump_str("name", t->name);
		dump_str("state", state_names[t->state]);
		dump_str("wait", wait_names[t->wait]);
		dump_hex("obj", t->wait_obj);
		dump_i64("fd", t->wait_fd);
		dump_u64("until", t->wake);
		dump_hex("entry", t->entry);
		dump_hex("stack_lo", t->stack_lo);
		dump_hex("stack_hi", t->stack_hi);
		dump_hex("saved_sp", t->sp);
		dump_u64("switches", t->switches);
		dump_u64("cpu_ticks", t->cpu_ticks + (t == current ? now - t->on_cpu_since : 0));
		dump_end();
	}
	sched_dump();
}
