/* sync.c - mutex, condition variable, semaphore. Each hands over directly: who is woken has what it waited for. */
#include "internal.h"

#define CALLER ((uint64_t)__builtin_return_address(0))

static struct lock_link *first, *last;

static void link_add(struct lock_link *l, uint8_t kind)
{
	uint64_t flags = irq_save();

	*l = (struct lock_link){ .prev = last, .kind = kind };
	if (last != NULL)
		last->next = l;
	else
		first = l;
	last = l;
	irq_restore(flags);
}

static void link_remove(struct lock_link *l, uniobs_lock_t *row)
{
	uint64_t flags = irq_save();

	if (l->prev != NULL)
		l->prev->next = l->next;
	else
		first = l->next;
	if (l->next != NULL)
		l->next->prev = l->prev;
	else
		last = l->prev;
	uniobs_lock_remove(row);
	irq_restore(flags);
}

static uint64_t deadline(uint32_t ms)
{
	return ms == 0 ? 0 : rdtsc() + ms_to_tsc(ms);
}

void mutex_init(struct mutex *m, const char *name)
{
	*m = (struct mutex){ .name = name, .row = uniobs_lock_add(UNIOBS_LOCK_KIND_MUTEX, (uint64_t)m, name) };
	link_add(&m->link, UNIOBS_LOCK_KIND_MUTEX);
}

void mutex_destroy(struct mutex *m)
{
	kassert(m->owner == NULL && m->waiters.head == NULL);
	link_remove(&m->link, m->row);
}

static void own(struct mutex *m, struct thread *t, uint64_t pc)
{
	m->owner = t;
	m->link.pc = pc;
	uniobs_lock_acquired(m->row, t->tid, pc);
}

static void lock(struct mutex *m, uint64_t pc)
{
	if (m->owner == NULL) {
		own(m, current, pc);
		return;
	}
	if (m->owner == current)
		panic(UNIOBS_PANIC_ASSERT, "mutex %s locked twice by %s", m->name, current->name);
	current->lock_pc = pc;
	uniobs_lock_waiters(m->row, 1);
	trace_lock((uint64_t)m, m->owner->tid);
	wait_block(&m->waiters, UNIOBS_WAIT_MUTEX, (uint64_t)m, 0);
}

static void unlock(struct mutex *m)
{
	struct thread *t;

	kassert(m->owner == current);
	m->owner = NULL;
	m->link.pc = 0;
	uniobs_lock_released(m->row);
	t = waitq_pop(&m->waiters);
	if (t == NULL)
		return;
	uniobs_lock_waiters(m->row, -1);
	own(m, t, t->lock_pc);
}

void mutex_lock(struct mutex *m)
{
	uint64_t flags = irq_save();

	lock(m, CALLER);
	irq_restore(flags);
}

void mutex_unlock(struct mutex *m)
{
	uint64_t flags = irq_save();

	unlock(m);
	irq_restore(flags);
}

void cond_init(struct cond *c, const char *name)
{
	*c = (struct cond){ .name = name, .row = uniobs_lock_add(UNIOBS_LOCK_KIND_COND, (uint64_t)c, name) };
	link_add(&c->link, UNIOBS_LOCK_KIND_COND);
}

void cond_destroy(struct cond *c)
{
	kassert(c->waiters.head == NULL);
	link_remove(&c->link, c->row);
}

bool cond_wait(struct cond *c, struct mutex *m, uint32_t timeout_ms)
{
	uint64_t flags = irq_save();
	bool woken;

	unlock(m);
	uniobs_lock_waiters(c->row, 1);
	woken = wait_block(&c->waiters, UNIOBS_WAIT_COND, (uint64_t)c, deadline(timeout_ms));
	uniobs_lock_waiters(c->row, -1);
	lock(m, CALLER);
	irq_restore(flags);
	return woken;
}

void cond_signal(struct cond *c)
{
	uint64_t flags = irq_save();

	waitq_pop(&c->waiters);
	irq_restore(flags);
}

void cond_broadcast(struct cond *c)
{
	uint64_t flags = irq_save();

	while (waitq_pop(&c->waiters) != NULL)
		;
	irq_restore(flags);
}

void sem_init(struct sem *s, const char *name, int count)
{
	*s = (struct sem){ .count = count, .name = name, .row = uniobs_lock_add(UNIOBS_LOCK_KIND_SEM, (uint64_t)s, name) };
	link_add(&s->link, UNIOBS_LOCK_KIND_SEM);
	uniobs_lock_value(s->row, count);
}

void sem_destroy(struct sem *s)
{
	kassert(s->waiters.head == NULL);
	link_remove(&s->link, s->row);
}

bool sem_wait(struct sem *s, uint32_t timeout_ms)
{
	uint64_t flags = irq_save();
	bool got = true;

	if (s->count > 0) {
		uniobs_lock_value(s->row, --s->count);
	} else {
		uniobs_lock_waiters(s->row, 1);
		got = wait_block(&s->waiters, UNIOBS_WAIT_SEM, (uint64_t)s, deadline(timeout_ms));
		uniobs_lock_waiters(s->row, -1);
	}
	irq_restore(flags);
	return got;
}

void sem_post(struct sem *s)
{
	uint64_t flags = irq_save();

	if (waitq_pop(&s->waiters) == NULL)
		uniobs_lock_value(s->row, ++s->count);
	irq_restore(flags);
}

static uint64_t count(const struct waitq *q)
{
	uint64_t n = 0;

	for (const struct thread *t = q->head; t != NULL; t = t->next)
		n++;
	return n;
}

static void dump_lock(uint64_t va, const char *name, const char *kind, uint64_t owner, uint64_t waiters, int value, uint64_t pc)
{
	dump_begin("locks");
	dump_hex("va", va);
	dump_str("name", name);
	dump_str("kind", kind);
	dump_u64("owner", owner);
	dump_u64("waiters", waiters);
	dump_i64("value", value);
	dump_hex("acquire_pc", pc);
	dump_end();
}

#define HOLDER(l, type) ((const struct type *)((const char *)(l) - offsetof(struct type, link)))

void locks_dump(void)
{
	for (const struct lock_link *l = first; l != NULL; l = l->next) {
		const struct mutex *m = HOLDER(l, mutex);
		const struct cond *c = HOLDER(l, cond);
		const struct sem *s = HOLDER(l, sem);

		if (l->kind == UNIOBS_LOCK_KIND_MUTEX)
			dump_lock((uint64_t)m, m->name, "mutex", m->owner == NULL ? 0 : m->owner->tid, count(&m->waiters), 0, l->pc);
		else if (l->kind == UNIOBS_LOCK_KIND_COND)
			dump_lock((uint64_t)c, c->name, "cond", 0, count(&c->waiters), 0, 0);
		else
			dump_lock((uint64_t)s, s->name, "sem", 0, count(&s->waiters), s->count, 0);
	}
}
