/* fd.c - the table of descriptors, and open files as rows of the region. */
#include "fd.h"
#include "../net/net.h"

#include <lwip/errno.h>
#include <lwip/pbuf.h>

#define FIRST 3
#define FDS 64

static struct descriptor table[FDS];

static void owner_of(const struct netconn *conn, struct net_owner *out)
{
	uint64_t flags = irq_save();
	int fd;

	for (fd = FIRST; fd < FDS; fd++) {
		const struct descriptor *d = &table[fd];

		if (d->conn != conn || (d->type != FD_TCP && d->type != FD_UDP))
			continue;
		out->fd = fd;
		out->tid = d->owner;
		out->read = d->read;
		out->written = d->written;
		out->unread = d->unread ? d->unread->tot_len - d->unread_at : 0;
		break;
	}
	irq_restore(flags);
}

static void describe(struct uniobs_socket *out, int fd)
{
	const struct descriptor *d = &table[fd];

	memset(out, 0, sizeof(*out));
	out->kind = UNIOBS_FD_KIND_FILE;
	out->id = (uintptr_t)d;
	out->fd = fd;
	out->owner_tid = d->owner;
	out->rx_bytes = d->read;
	out->tx_bytes = d->written;
	out->opened = d->opened;
	memcpy(out->path, d->path, sizeof(out->path));
}

static void dump(void)
{
	struct uniobs_socket s;
	int fd;

	for (fd = FIRST; fd < FDS; fd++) {
		if (table[fd].type != FD_FILE)
			continue;
		describe(&s, fd);
		socket_print(&s);
	}
}

void fd_init(void)
{
	net_owner_of = owner_of;
	dump_register(dump);
}

int fd_new(enum fd_type type)
{
	uint64_t flags = irq_save();
	int fd, found = -EMFILE;

	for (fd = FIRST; fd < FDS; fd++)
		if (table[fd].type == FD_FREE) {
			memset(&table[fd], 0, sizeof(table[fd]));
			table[fd].owner = thread_tid();
			table[fd].opened = clock_tsc();
			table[fd].type = type;
			found = fd;
			break;
		}
	irq_restore(flags);
	return found;
}

struct descriptor *fd_get(int64_t fd, unsigned types)
{
	if (fd < FIRST || fd >= FDS || !(types & (1u << table[fd].type)) || table[fd].type == FD_FREE)
		return NULL;
	return &table[fd];
}

void fd_free(int64_t fd)
{
	uint64_t flags = irq_save();

	uniobs_socket_remove(table[fd].row);
	table[fd].row = NULL;
	table[fd].conn = NULL;
	table[fd].type = FD_FREE;
	irq_restore(flags);
}

void fd_show_file(int fd)
{
	struct descriptor *d = &table[fd];
	struct uniobs_socket now;
	uint64_t flags = irq_save();

	if (!d->row)
		d->row = uniobs_socket_add(UNIOBS_FD_KIND_FILE, (uintptr_t)d, fd, d->owner);
	describe(&now, fd);
	uniobs_socket_set(d->row, &now);
	irq_restore(flags);
}
