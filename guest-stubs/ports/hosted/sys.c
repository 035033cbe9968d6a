/* sys.c - traced system calls of the hosted demo. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>
#include "hosted.h"
#include "sys.h"
#include "sys_events.h"

#define CAPTURE 96    /* bytes of a buffer that go into an event */
#define FDS 1024

static struct { uint16_t enter, leave; } ids[SYS_CALLS];
static struct open_fd { uniobs_socket_t *row; struct uniobs_socket now; } fds[FDS];

void sys_init(void)
{
	for (int i = 0; i < SYS_CALLS; i++) {
		const struct sys_call_def *d = &sys_calls[i];
		struct uniobs_arg_def out[3] = { ARG(RET, 0, "ret"), ARG(ENTER_TIME, 0, "enter"), d->out[0] };

		ids[i].enter = uniobs_event(d->name, UNIOBS_PHASE_ENTER, d->category, 0, d->in, d->in_count);
		ids[i].leave = uniobs_event(d->name, UNIOBS_PHASE_EXIT, d->category, ids[i].enter, out, (uint8_t)(2 + d->out_count));
	}
}

static uint64_t enter(enum sys_call call, const uint64_t *words, uint32_t n)
{
	return uniobs_emit(ids[call].enter, uniobs_hosted_tid(), words, n);
}

static int64_t leave(enum sys_call call, uint64_t enter_time, int64_t ret)
{
	ret = ret < 0 ? -errno : ret;
	uniobs_emit2(ids[call].leave, uniobs_hosted_tid(), (uint64_t)ret, enter_time);
	return ret;
}

/* With an output argument that was packed into words from 2 on. */
static int64_t leave_out(enum sys_call call, uint64_t enter_time, int64_t ret, uint64_t *words, uint32_t n)
{
	words[0] = (uint64_t)ret;
	words[1] = enter_time;
	uniobs_emit(ids[call].leave, uniobs_hosted_tid(), words, n);
	return ret;
}

/* --- the table of open descriptors ---------------------------------------------------------------------- */

static struct open_fd *slot(int fd)
{
	return fd >= 0 && fd < FDS ? &fds[fd] : 0;
}

static void opened(int fd, uint8_t kind, const char *path)
{
	static uint64_t last_id;
	struct open_fd *f = slot(fd);

	if (!f)
		return;
	memset(&f->now, 0, sizeof f->now);
	f->now.kind = kind;
	f->now.id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	f->now.fd = fd;
	f->now.owner_tid = uniobs_hosted_tid();
	/* Linux has the queues; what was never asked for is unknown. */
	f->now.backlog = UINT16_MAX;
	f->now.recvq = f->now.sendq = f->now.retransmits = f->now.cwnd = UINT32_MAX;
	f->now.opened = __builtin_ia32_rdtsc();
	if (path)
		strncpy((char *)f->now.path, path, sizeof f->now.path - 1);
	f->row = uniobs_socket_add(kind, f->now.id, fd, f->now.owner_tid);
	uniobs_socket_set(f->row, &f->now);
}

static void refresh(int fd)
{
	struct open_fd *f = slot(fd);
	struct sockaddr_in a;
	struct tcp_info info;
	socklen_t size = sizeof a;
	int saved = errno;

	if (!f || !f->row)
		return;
	if (f->now.kind == UNIOBS_FD_KIND_TCP) {
		f->now.family = 4;
		if (!getsockname(fd, (struct sockaddr *)&a, &size))
			memcpy(f->now.laddr, &a.sin_addr, 4), f->now.lport = ntohs(a.sin_port);
		size = sizeof a;
		if (!getpeername(fd, (struct sockaddr *)&a, &size))
			memcpy(f->now.raddr, &a.sin_addr, 4), f->now.rport = ntohs(a.sin_port);
		size = sizeof info;
		if (!getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size)) {
			f->now.state = info.tcpi_state;
			f->now.retransmits = info.tcpi_total_retrans;
			f->now.cwnd = info.tcpi_snd_cwnd * info.tcpi_snd_mss;
			f->now.rtt_us = info.tcpi_rtt;
			f->now.mss = info.tcpi_snd_mss;
		}
	}
	uniobs_socket_set(f->row, &f->now);
	errno = saved;
}

static void moved(int fd, int64_t received, int64_t sent)
{
	struct open_fd *f = slot(fd);

	if (!f)
		return;
	f->now.rx_bytes += received > 0 ? (uint64_t)received : 0;
	f->now.tx_bytes += sent > 0 ? (uint64_t)sent : 0;
	refresh(fd);
}

static void wait_on(int fd, uint8_t kind)
{
	struct open_fd *f = slot(fd);

	uniobs_hosted_wait(kind, f ? f->now.id : 0, 0, fd);
}

static uint64_t sockaddr_word(const struct sockaddr_in *a)
{
	return UNIOBS_SOCKADDR4(a->sin_addr.s_addr, ntohs(a->sin_port));
}

/* --- the calls ----------------------------------------------------------------------------------------------- */

int sys_socket(int domain, int type, int protocol)
{
	uint64_t words[] = { (uint64_t)domain, (uint64_t)type, (uint64_t)protocol }, time = enter(SYS_SOCKET, words, 3);
	int fd = socket(domain, type, protocol);

	if (fd >= 0)
		opened(fd, UNIOBS_FD_KIND_TCP, 0), refresh(fd);
	return (int)leave(SYS_SOCKET, time, fd);
}

int sys_bind(int fd, const struct sockaddr_in *address)
{
	uint64_t words[] = { (uint64_t)fd, sockaddr_word(address) }, time = enter(SYS_BIND, words, 2);
	int ret = bind(fd, (const struct sockaddr *)address, sizeof *address);

	refresh(fd);
	return (int)leave(SYS_BIND, time, ret);
}

int sys_listen(int fd, int backlog)
{
	uint64_t words[] = { (uint64_t)fd, (uint64_t)backlog }, time = enter(SYS_LISTEN, words, 2);
	struct open_fd *f = slot(fd);
	int ret = listen(fd, backlog);

	if (!ret && f)
		f->now.backlog_max = (uint16_t)backlog;
	refresh(fd);
	return (int)leave(SYS_LISTEN, time, ret);
}

int sys_accept(int fd, struct sockaddr_in *peer)
{
	uint64_t words[UNIOBS_WORDS_MAX] = { (uint64_t)fd }, time = enter(SYS_ACCEPT, words, 1);
	socklen_t size = sizeof *peer;
	int ret;

	wait_on(fd, UNIOBS_WAIT_ACCEPT);
	ret = accept4(fd, (struct sockaddr *)peer, &size, SOCK_CLOEXEC);
	int error = errno;
	uniobs_hosted_resume();
	if (ret < 0)
		return errno = error, (int)leave(SYS_ACCEPT, time, -1);
	opened(ret, UNIOBS_FD_KIND_TCP, 0);
	refresh(ret);
	words[2] = sockaddr_word(peer);
	return (int)leave_out(SYS_ACCEPT, time, ret, words, 3);
}

ssize_t sys_recv(int fd, void *buffer, size_t size, int flags)
{
	uint64_t words[UNIOBS_WORDS_MAX] = { (uint64_t)fd, size, (uint64_t)flags }, time = enter(SYS_RECV, words, 3);
	ssize_t n;

	wait_on(fd, UNIOBS_WAIT_RECV);
	n = recv(fd, buffer, size, flags);
	int error = errno;
	uniobs_hosted_resume();
	moved(fd, n, 0);
	if (n < 0)
		return errno = error, leave(SYS_RECV, time, -1);
	return leave_out(SYS_RECV, time, n, words, uniobs_pack(words, 2, buffer, (uint32_t)n, CAPTURE));
}

ssize_t sys_send(int fd, const void *buffer, size_t size, int flags)
{
	uint64_t words[UNIOBS_WORDS_MAX] = { (uint64_t)fd };
	uint32_t count = uniobs_pack(words, 1, buffer, (uint32_t)size, CAPTURE);
	uint64_t time;
	ssize_t n;

	words[count++] = size;
	words[count++] = (uint64_t)flags;
	time = enter(SYS_SEND, words, count);
	wait_on(fd, UNIOBS_WAIT_SEND);
	n = send(fd, buffer, size, flags | MSG_NOSIGNAL);
	int error = errno;
	uniobs_hosted_resume();
	moved(fd, 0, n);
	errno = error;
	return leave(SYS_SEND, time, n);
}

int sys_open(const char *path, int flags, mode_t mode)
{
	uint64_t words[UNIOBS_WORDS_MAX], time;
	uint32_t count = uniobs_pack(words, 0, path, (uint32_t)strlen(path), CAPTURE);
	int fd;

	words[count++] = (uint64_t)flags;
	words[count++] = mode;
	time = enter(SYS_OPEN, words, count);
	fd = open(path, flags, mode);
	if (fd >= 0)
		opened(fd, UNIOBS_FD_KIND_FILE, path);
	return (int)leave(SYS_OPEN, time, fd);
}

ssize_t sys_read(int fd, void *buffer, size_t size)
{
	uint64_t words[UNIOBS_WORDS_MAX] = { (uint64_t)fd, size }, time = enter(SYS_READ, words, 2);
	ssize_t n = read(fd, buffer, size);

	if (n < 0)
		return leave(SYS_READ, time, -1);
	moved(fd, n, 0);
	return leave_out(SYS_READ, time, n, words, uniobs_pack(words, 2, buffer, (uint32_t)n, CAPTURE));
}

ssize_t sys_write(int fd, const void *buffer, size_t size)
{
	uint64_t words[UNIOBS_WORDS_MAX] = { (uint64_t)fd }, time;
	uint32_t count = uniobs_pack(words, 1, buffer, (uint32_t)size, CAPTURE);
	ssize_t n;

	words[count++] = size;
	time = enter(SYS_WRITE, words, count);
	n = write(fd, buffer, size);
	moved(fd, 0, n);
	return leave(SYS_WRITE, time, n);
}

int sys_close(int fd)
{
	uint64_t words[] = { (uint64_t)fd }, time = enter(SYS_CLOSE, words, 1);
	struct open_fd *f = slot(fd);
	int ret;

	/* Before the number can be another's. */
	if (f)
		uniobs_socket_remove(f->row), f->row = 0;
	ret = close(fd);
	return (int)leave(SYS_CLOSE, time, ret);
}

int sys_unlink(const char *path)
{
	uint64_t words[UNIOBS_WORDS_MAX], time;

	time = enter(SYS_UNLINK, words, uniobs_pack(words, 0, path, (uint32_t)strlen(path), CAPTURE));
	return (int)leave(SYS_UNLINK, time, unlink(path));
}
