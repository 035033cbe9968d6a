/* sched.c - preemptive round robin: ready queue, sleep queue, the one place where a thread leaves the CPU. */
#include "internal.h"

struct thread *current, *idle_thread;
bool need_resched;
static struct waitq ready;
static uint32_t ready_count;
static struct thread *sleepers; /* by time of waking */
static uint64_t ticks, passes;

static void append(struct waitq *q, struct thread *t)
{
	t->next = NULL;
	if (q->tail != NULL)
		q->tail->next = t;
	else
		q->head = t;
	q->tail = t;
}

static void detach(struct waitq *q, struct thread *t)
{
	struct thread *before = NULL;

	for (struct thread *x = q->head; x != t; x = x->next)
		before = x;
	if (before != NULL)
		before->next = t->next;
	else
		q->head = t->next;
	if (q->tail == t)
		q->tail = before;
}

void ready_add(struct thread *t)
{
	t->state = UNIOBS_THREAD_STATE_READY;
	append(&ready, t);
	ready_count++;
	if (current == idle_thread)
		need_resched = true;
}

/* Called by switch_threads on from's stack, its registers saved at from->sp. */
void switch_report(struct thread *from, struct thread *to);
void switch_report(struct thread *from, struct thread *to)
{
	uniobs_switch(from->row, to->row, from->sp, ready_count);
}

/* Interrupts off. Each pass beats the heart, also one that changes nothing. */
void schedule(void)
{
	struct thread *from = current, *to = ready.head;
	uint64_t now = rdtsc();

	need_resched = false;
	passes++;
	if (to == NULL) {
		if (from->state == UNIOBS_THREAD_STATE_RUNNING) {
			uniobs_switch(from->row, from->row, 0, 0);
			return;
		}
		to = idle_thread;
	} else {
		detach(&ready, to);
		ready_count--;
	}
	if (from->state == UNIOBS_THREAD_STATE_RUNNING) {
		from->state = UNIOBS_THREAD_STATE_READY;
		if (from != idle_thread) {
			append(&ready, from);
			ready_count++;
		}
	}
	from->cpu_ticks += now - from->on_cpu_since;
	to->on_cpu_since = now;
	to->switches++;
	to->state = UNIOBS_THREAD_STATE_RUNNING;
	current = to;
	switch_threads(from, to);
}

static void sleep_add(struct thread *t, uint64_t wake)
{
	struct thread **at = &sleepers;

	t->wake = wake;
	while (*at != NULL && (*at)->wake <= wake)
		at = &(*at)->sleep_next;
	t->sleep_next = *at;
	*at = t;
}

static void sleep_remove(struct thread *t)
{
	struct thread **at = &sleepers;

	while (*at != t)
		at = &(*at)->sleep_next;
	*at = t->sleep_next;
	t->wake = 0;
}

/* Ends t's wait, whatever it is. */
static void wake(struct thread *t, bool timed_out)
{
	if (t->wake != 0)
		sleep_remove(t);
	if (t->waitq != NULL)
		detach(t->waitq, t);
	t->waitq = NULL;
	t->timed_out = timed_out;
	t->wait = UNIOBS_WAIT_NONE;
	t->wait_obj = 0;
	t->wait_fd = -1;
	uniobs_thread_ready(t->row);
	ready_add(t);
}

struct thread *waitq_pop(struct waitq *q)
{
	struct thread *t = q->head;

	if (t != NULL)
		wake(t, false);
	return t;
}

bool wait_block(struct waitq *q, uint8_t wait, uint64_t obj, uint64_t deadline)
{
	struct thread *t = current;

	kassert(t != NULL && t != idle_thread);
	t->wait = t->say ? t->say_wait : wait;
	t->wait_obj = t->say ? t->say_obj : obj;
	t->wait_fd = t->say ? t->say_fd : -1;
	t->state = t->wait == UNIOBS_WAIT_SLEEP ? UNIOBS_THREAD_STATE_SLEEPING : UNIOBS_THREAD_STATE_BLOCKED;
	t->waitq = q;
	if (q != NULL)
		append(q, t);
	if (deadline != 0)
		sleep_add(t, deadline);
	uniobs_thread_wait(t->row, t->wait, t->wait_obj, deadline, t->wait_fd);
	schedule();
	return !t->timed_out;
}

/* The timer's interrupt, sp that of the code it interrupted. */
void sched_tick(uint64_t sp)
{
	uint64_t now = rdtsc();

	ticks++;
	uniobs_tick(sp);
	if (current == NULL)
		return;
	while (sleepers != NULL && sleepers->wake <= now)
		wake(sleepers, true);
	need_resched = true;
}

void sched_dump(void)
{
	dump_begin("sched");
	dump_u64("tick_count", ticks);
	dump_u64("beat_count", passes);
	dump_u64("current_tid", thread_tid());
	dump_u64("ready_count", ready_count);
	dump_end();
}
