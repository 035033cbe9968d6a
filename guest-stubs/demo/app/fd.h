/* fd.h - the one table of descriptors: connections and files. */
#ifndef DEMO_FD_H
#define DEMO_FD_H

#include "kernel.h"

struct netconn;
struct pbuf;
struct file;

enum fd_type { FD_FREE, FD_TCP, FD_UDP, FD_FILE };

struct descriptor {
	enum fd_type type;
	uint32_t owner;               /* the thread that opened it */
	struct netconn *conn;
	struct pbuf *unread;          /* taken from lwIP, not read to its end */
	uint32_t unread_at;
	struct file *file;
	uint32_t position;
	int flags;
	uint64_t read, written;       /* bytes of files and datagrams, for the row */
	uint64_t opened;
	uniobs_socket_t *row;         /* files only: connections' rows are lwIP's side's */
	char path[48];
};

void fd_init(void);
/* A free descriptor's number, taken; or -EMFILE. */
int fd_new(enum fd_type type);
/* NULL when fd isn't of a type that `types` (bits 1 << type) holds. */
struct descriptor *fd_get(int64_t fd, unsigned types);
void fd_free(int64_t fd);
/* Show an open file's row as it is now. */
void fd_show_file(int fd);

#endif
