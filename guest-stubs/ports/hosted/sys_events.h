/* sys_events.h - the calls of the layer and their arguments, as data. An argument is carried at entry or, when the
 * call fills it, at exit; its number is its place among the printed arguments. */
#ifndef UNIOBS_HOSTED_SYS_EVENTS_H
#define UNIOBS_HOSTED_SYS_EVENTS_H

#include <uniobs/uniobs.h>

enum sys_call {
	SYS_SOCKET, SYS_BIND, SYS_LISTEN, SYS_ACCEPT, SYS_RECV, SYS_SEND, SYS_OPEN, SYS_READ, SYS_WRITE, SYS_CLOSE, SYS_UNLINK,
	SYS_CALLS
};

#define ARG(kind, pos, name) { UNIOBS_ARG_##kind, pos, name }

struct sys_call_def {
	const char *name;
	uint8_t category, in_count, out_count;
	struct uniobs_arg_def in[4], out[1];
};

static const struct sys_call_def sys_calls[SYS_CALLS] = {
	[SYS_SOCKET] = { "socket", UNIOBS_CATEGORY_SYSCALL, 3, 0,
		{ ARG(SOCK_DOMAIN, 0, "domain"), ARG(SOCK_TYPE, 1, "type"), ARG(SOCK_PROTO, 2, "protocol") }, { { 0, 0, 0 } } },
	[SYS_BIND] = { "bind", UNIOBS_CATEGORY_SYSCALL, 2, 0, { ARG(FD, 0, "fd"), ARG(SOCKADDR, 1, "address") }, { { 0, 0, 0 } } },
	[SYS_LISTEN] = { "listen", UNIOBS_CATEGORY_SYSCALL, 2, 0, { ARG(FD, 0, "fd"), ARG(I64, 1, "backlog") }, { { 0, 0, 0 } } },
	[SYS_ACCEPT] = { "accept", UNIOBS_CATEGORY_SYSCALL, 1, 1, { ARG(FD, 0, "fd") }, { ARG(SOCKADDR, 1, "address") } },
	[SYS_RECV] = { "recv", UNIOBS_CATEGORY_SYSCALL, 3, 1,
		{ ARG(FD, 0, "fd"), ARG(SIZE, 2, "size"), ARG(MSG_FLAGS, 3, "flags") }, { ARG(BUF, 1, "buffer") } },
	[SYS_SEND] = { "send", UNIOBS_CATEGORY_SYSCALL, 4, 0,
		{ ARG(FD, 0, "fd"), ARG(BUF, 1, "buffer"), ARG(SIZE, 2, "size"), ARG(MSG_FLAGS, 3, "flags") }, { { 0, 0, 0 } } },
	[SYS_OPEN] = { "open", UNIOBS_CATEGORY_SYSCALL, 3, 0,
		{ ARG(PATH, 0, "path"), ARG(OPEN_FLAGS, 1, "flags"), ARG(MODE, 2, "mode") }, { { 0, 0, 0 } } },
	[SYS_READ] = { "read", UNIOBS_CATEGORY_SYSCALL, 2, 1, { ARG(FD, 0, "fd"), ARG(SIZE, 2, "size") }, { ARG(BUF, 1, "buffer") } },
	[SYS_WRITE] = { "write", UNIOBS_CATEGORY_SYSCALL, 3, 0,
		{ ARG(FD, 0, "fd"), ARG(BUF, 1, "buffer"), ARG(SIZE, 2, "size") }, { { 0, 0, 0 } } },
	[SYS_CLOSE] = { "close", UNIOBS_CATEGORY_SYSCALL, 1, 0, { ARG(FD, 0, "fd") }, { { 0, 0, 0 } } },
	[SYS_UNLINK] = { "unlink", UNIOBS_CATEGORY_SYSCALL, 1, 0, { ARG(PATH, 0, "path") }, { { 0, 0, 0 } } },
};

#endif
