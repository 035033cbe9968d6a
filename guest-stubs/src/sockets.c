/* sockets.c - the socket table (open files too). */
#include "internal.h"

#if UNIOBS_WITH_SOCKETS

uniobs_socket_t *uniobs_socket_add(uint8_t kind, uint64_t id, int32_t fd, uint32_t owner_tid)
{
	struct uniobs_state *s = &uniobs_state;
	struct uniobs_socket *row = 0;
	uint64_t guard;
	uint32_t i;

	UNIOBS_ENTER(guard);
	for (i = 0; i < s->socket_rows && !row; i++)
		if (s->sockets[i].kind == UNIOBS_FD_KIND_FREE)
			row = &s->sockets[i];
	if (row) {
		uniobs_row_begin(&row->seq);
		uniobs_zero((uint8_t *)row + sizeof row->seq, sizeof *row - sizeof row->seq);
		row->kind = kind, row->id = id, row->fd = fd, row->owner_tid = owner_tid;
		row->opened = UNIOBS_CLOCK();
		UNIOBS_ROW_END(row);
	} else if (s->live) {
		uniobs_overflow(&s->live->socket_overflow);
	}
	UNIOBS_EXIT(guard);
	return row;
}

void uniobs_socket_remove(uniobs_socket_t *row)
{
	uint64_t guard;

	if (!row)
		return;
	UNIOBS_ENTER(guard);
	uniobs_row_begin(&row->seq);
	row->kind = UNIOBS_FD_KIND_FREE;
	UNIOBS_ROW_END(row);
	UNIOBS_EXIT(guard);
}

void uniobs_socket_set(uniobs_socket_t *row, const uniobs_socket_t *from)
{
	if (row)
		uniobs_row_set(&row->seq, from, sizeof *row);
}

#endif
