/* threads.c - the thread table, the scheduler's heartbeat, the timer's tick. */
#include "internal.h"

uniobs_thread_t *uniobs_thread_add(uint32_t tid, const char *name, uint64_t entry, uint64_t stack_lo,
				   uint64_t stack_hi, uint16_t flags)
{
	struct uniobs_state *s = &uniobs_state;
	struct uniobs_thread *row = 0;
	uint64_t guard;
	uint32_t i;

	UNIOBS_ENTER(guard);
	/* Round and round, so that a row of the dead is kept for as long as possible. */
	for (i = 0; i < s->thread_rows && !row; i++) {
		struct uniobs_thread *t = &s->threads[s->thread_next];

		s->thread_next = s->thread_next + 1 < s->thread_rows ? s->thread_next + 1 : 0;
		if (t->state == UNIOBS_THREAD_STATE_FREE || t->state == UNIOBS_THREAD_STATE_EXITED)
			row = t;
	}
	if (row) {
		uniobs_row_begin(&row->seq);
		uniobs_zero((uint8_t *)row + sizeof row->seq, sizeof *row - sizeof row->seq);
		row->tid = tid, row->state = UNIOBS_THREAD_STATE_READY, row->flags = flags;
		row->cpu = UNIOBS_CPU();
		row->started = UNIOBS_CLOCK();
		row->entry = entry, row->stack_lo = stack_lo, row->stack_hi = stack_hi;
		row->stack_low_mark = stack_hi;
		row->wait_fd = -1;
		uniobs_text(row->name, sizeof row->name, name);
		UNIOBS_ROW_END(row);
	} else if (s->live) {
		uniobs_overflow(&s->live->thread_overflow);
	}
	UNIOBS_EXIT(guard);
	return row;
}

static void end_wait(struct uniobs_thread *row, uint8_t state)
{
	row->state = state;
	row->wait = UNIOBS_WAIT_NONE;
	row->wait_obj = row->wait_since = row->wait_until = 0;
	row->wait_fd = -1;
}

static __attribute__((noinline)) void set_state(struct uniobs_thread *row, uint8_t state)
{
	uint64_t guard;

	if (!row)
		return;
	UNIOBS_ENTER(guard);
	uniobs_row_begin(&row->seq);
	end_wait(row, state);
	UNIOBS_ROW_END(row);
	UNIOBS_EXIT(guard);
}

void uniobs_thread_exit(uniobs_thread_t *row)
{
	set_state(row, UNIOBS_THREAD_STATE_EXITED);
}

void uniobs_thread_ready(uniobs_thread_t *row)
{
	set_state(row, UNIOBS_THREAD_STATE_READY);
}

void uniobs_thread_wait(uniobs_thread_t *row, uint8_t wait, uint64_t obj, uint64_t until, int32_t fd)
{
	uint64_t guard;

	if (!row)
		return;
	UNIOBS_ENTER(guard);
	uniobs_row_begin(&row->seq);
	row->state = wait == UNIOBS_WAIT_SLEEP ? UNIOBS_THREAD_STATE_SLEEPING : UNIOBS_THREAD_STATE_BLOCKED;
	row->wait = wait, row->wait_obj = obj, row->wait_fd = fd;
	row->wait_since = UNIOBS_CLOCK(), row->wait_until = until;
	UNIOBS_ROW_END(row);
	UNIOBS_EXIT(guard);
}

static void low_mark(struct uniobs_thread *row, uint64_t sp)
{
	if (sp >= row->stack_lo && sp < row->stack_low_mark)
		row->stack_low_mark = sp;
}

void uniobs_switch(uniobs_thread_t *prev, uniobs_thread_t *next, uint64_t prev_saved_sp, uint32_t ready_count)
{
	struct uniobs_state *s = &uniobs_state;
	uint64_t guard, now;

	if (!s->live)
		return;
	UNIOBS_ENTER(guard);
	now = UNIOBS_CLOCK();
	if (prev && prev != next) {
		uniobs_row_begin(&prev->seq);
		if (prev->on_cpu_since)
			prev->cpu_ticks += now - prev->on_cpu_since;
		prev->on_cpu_since = 0;
		prev->saved_sp = prev_saved_sp;
		low_mark(prev, prev_saved_sp);
		if (prev->state == UNIOBS_THREAD_STATE_RUNNING)
			prev->state = UNIOBS_THREAD_STATE_READY;
		UNIOBS_ROW_END(prev);
	}
	if (next && (prev != next || next->state != UNIOBS_THREAD_STATE_RUNNING)) {
		uniobs_row_begin(&next->seq);
		end_wait(next, UNIOBS_THREAD_STATE_RUNNING);
		if (prev != next || !next->on_cpu_since)
			next->on_cpu_since = now, next->switches++;
		next->cpu = UNIOBS_CPU();
		UNIOBS_ROW_END(next);
	}
	s->current = next;
	s->live->current_tid = next ? next->tid : 0;
	s->live->ready_count = ready_count;
	s->live->beat_tsc = now;
	s->live->beat_count++;
	uniobs_live_seal();
	UNIOBS_EXIT(guard);
	if (prev != next)
		uniobs_emit2(UNIOBS_EVENT_SWITCH, next ? next->tid : 0, prev ? prev->tid : 0, next ? next->tid : 0);
}

void uniobs_tick(uint64_t sp)
{
	struct uniobs_state *s = &uniobs_state;
	uint64_t guard;

	if (!s->live)
		return;
	UNIOBS_ENTER(guard);
	s->live->tick_tsc = UNIOBS_CLOCK();
	s->live->tick_count++;
	uniobs_live_seal();
	if (s->current) {
		uniobs_row_begin(&s->current->seq);
		s->current->ticks_sampled++;
		low_mark(s->current, sp);
		UNIOBS_ROW_END(s->current);
	}
	UNIOBS_EXIT(guard);
}
