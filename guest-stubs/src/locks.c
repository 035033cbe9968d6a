/* locks.c - mutexes, condition variables, semaphores, mailboxes: who holds them, who waits. */
#include "internal.h"

#if UNIOBS_WITH_LOCKS

uniobs_lock_t *uniobs_lock_add(uint8_t kind, uint64_t va, const char *name)
{
	struct uniobs_state *s = &uniobs_state;
	struct uniobs_lock *row = 0;
	uint64_t guard;
	uint32_t i;

	UNIOBS_ENTER(guard);
	for (i = 0; i < s->lock_rows && !row; i++)
		if (s->locks[i].kind == UNIOBS_LOCK_KIND_FREE)
			row = &s->locks[i];
	if (row) {
		uniobs_row_begin(&row->seq);
		uniobs_zero((uint8_t *)row + sizeof row->seq, sizeof *row - sizeof row->seq);
		row->kind = kind, row->va = va;
		uniobs_text(row->name, sizeof row->name, name);
		UNIOBS_ROW_END(row);
	} else if (s->live) {
		uniobs_overflow(&s->live->lock_overflow);
	}
	UNIOBS_EXIT(guard);
	return row;
}

void uniobs_lock_remove(uniobs_lock_t *row)
{
	uint64_t guard;

	if (!row)
		return;
	UNIOBS_ENTER(guard);
	uniobs_row_begin(&row->seq);
	row->kind = UNIOBS_LOCK_KIND_FREE;
	UNIOBS_ROW_END(row);
	UNIOBS_EXIT(guard);
}

static void set_owner(uniobs_lock_t *row, uint32_t tid, uint64_t pc, uint64_t time)
{
	uint64_t guard;

	UNIOBS_ENTER(guard);
	uniobs_row_begin(&row->seq);
	row->owner_tid = tid, row->acquire_pc = pc, row->acquired = time;
	row->acquisitions += !!tid;
	UNIOBS_ROW_END(row);
	UNIOBS_EXIT(guard);
}

void uniobs_lock_acquired(uniobs_lock_t *row, uint32_t tid, uint64_t pc)
{
	if (row)
		set_owner(row, tid, pc, UNIOBS_CLOCK());
}

void uniobs_lock_released(uniobs_lock_t *row)
{
	if (row)
		set_owner(row, 0, 0, 0);
}

void uniobs_lock_waiters(uniobs_lock_t *row, int delta)
{
	uint64_t guard;

	if (!row)
		return;
	UNIOBS_ENTER(guard);
	uniobs_row_begin(&row->seq);
	row->waiters = (uint16_t)(row->waiters + delta);
	row->contended += delta > 0;
	UNIOBS_ROW_END(row);
	UNIOBS_EXIT(guard);
}

void uniobs_lock_value(uniobs_lock_t *row, int32_t value)
{
	uint64_t guard;

	if (!row)
		return;
	UNIOBS_ENTER(guard);
	uniobs_row_begin(&row->seq);
	row->value = value;
	UNIOBS_ROW_END(row);
	UNIOBS_EXIT(guard);
}

#endif
