/* ifaces.c - network interfaces. */
#include "internal.h"

#if UNIOBS_WITH_SOCKETS

uniobs_iface_t *uniobs_iface_add(const char *name, const uint8_t mac[6], uint16_t mtu)
{
	struct uniobs_state *s = &uniobs_state;
	struct uniobs_iface *row = 0;
	uint64_t guard;
	uint32_t i;

	UNIOBS_ENTER(guard);
	for (i = 0; i < s->iface_rows && !row; i++)
		if (!s->ifaces[i].index)
			row = &s->ifaces[i];
	if (row) {
		uniobs_row_begin(&row->seq);
		row->index = i;  /* from 1 on: i went one past the row */
		uniobs_text(row->name, sizeof row->name, name);
		uniobs_copy(row->mac, mac, sizeof row->mac);
		row->mtu = mtu;
		UNIOBS_ROW_END(row);
	}
	UNIOBS_EXIT(guard);
	return row;
}

void uniobs_iface_set(uniobs_iface_t *row, const uniobs_iface_t *from)
{
	if (row)
		uniobs_row_set(&row->seq, from, sizeof *row);
}

#endif
