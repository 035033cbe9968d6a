/* locks.c - pthread's mutexes and condition variables, with rows. */
#define _GNU_SOURCE
#include "private.h"

#define CALLER ((uint64_t)(uintptr_t)__builtin_return_address(0))

void uniobs_mutex_init(struct uniobs_mutex *m, const char *name)
{
	pthread_mutex_init(&m->mutex, 0);
	m->row = uniobs_lock_add(UNIOBS_LOCK_KIND_MUTEX, (uintptr_t)m, name);
}

static void lock(struct uniobs_mutex *m, uint64_t pc)
{
	if (pthread_mutex_trylock(&m->mutex)) {
		uniobs_lock_waiters(m->row, 1);
		uniobs_hosted_wait(UNIOBS_WAIT_MUTEX, (uintptr_t)m, 0, -1);
		pthread_mutex_lock(&m->mutex);
		uniobs_lock_waiters(m->row, -1);
		uniobs_hosted_resume();
	}
	uniobs_lock_acquired(m->row, uniobs_hosted_tid(), pc);
}

__attribute__((noinline)) void uniobs_mutex_lock(struct uniobs_mutex *m)
{
	lock(m, CALLER);
}

void uniobs_mutex_unlock(struct uniobs_mutex *m)
{
	uniobs_lock_released(m->row);
	pthread_mutex_unlock(&m->mutex);
}

void uniobs_mutex_destroy(struct uniobs_mutex *m)
{
	uniobs_lock_remove(m->row);
	pthread_mutex_destroy(&m->mutex);
}

void uniobs_cond_init(struct uniobs_cond *c, const char *name)
{
	pthread_cond_init(&c->cond, 0);
	c->row = uniobs_lock_add(UNIOBS_LOCK_KIND_COND, (uintptr_t)c, name);
}

__attribute__((noinline)) void uniobs_cond_wait(struct uniobs_cond *c, struct uniobs_mutex *m)
{
	uniobs_lock_waiters(c->row, 1);
	uniobs_hosted_wait(UNIOBS_WAIT_COND, (uintptr_t)c, 0, -1);
	uniobs_lock_released(m->row);
	pthread_cond_wait(&c->cond, &m->mutex);
	uniobs_lock_acquired(m->row, uniobs_hosted_tid(), CALLER);
	uniobs_lock_waiters(c->row, -1);
	uniobs_hosted_resume();
}

void uniobs_cond_signal(struct uniobs_cond *c)
{
	pthread_cond_signal(&c->cond);
}

void uniobs_cond_broadcast(struct uniobs_cond *c)
{
	pthread_cond_broadcast(&c->cond);
}

void uniobs_cond_destroy(struct uniobs_cond *c)
{
	uniobs_lock_remove(c->row);
	pthread_cond_destroy(&c->cond);
}
