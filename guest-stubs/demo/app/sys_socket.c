/* sys_socket.c - sockets from socket() to close(), over lwIP's netconn interface. */
#include "sys_net.h"

#include <lwip/priv/tcpip_priv.h>
#include <lwip/tcp.h>

int sys_socket(int domain, int type, int protocol)
{
	bool tcp = type == SOCK_STREAM;
	struct call c;
	int64_t fd;

	call_begin(&c, CALL_SOCKET);
	call_in(&c, (uint64_t)domain);
	call_in(&c, (uint64_t)type);
	call_in(&c, (uint64_t)protocol);
	call_enter(&c);
	if (domain != AF_INET)
		return (int)call_exit(&c, -EAFNOSUPPORT);
	if (type != SOCK_STREAM && type != SOCK_DGRAM)
		return (int)call_exit(&c, -EINVAL);
	if (protocol && protocol != (tcp ? IPPROTO_TCP : IPPROTO_UDP))
		return (int)call_exit(&c, -EPROTONOSUPPORT);
	fd = fd_new(tcp ? FD_TCP : FD_UDP);
	if (fd >= 0) {
		struct netconn *conn = netconn_new(tcp ? NETCONN_TCP : NETCONN_UDP);

		if (conn) {
			fd_get(fd, TCP | UDP)->conn = conn;
		} else {
			fd_free(fd);
			fd = -ENOBUFS;
		}
	}
	return (int)call_exit(&c, fd);
}

struct option_call { struct tcpip_api_call_data base; struct netconn *conn; int option; bool on; };

/* In the tcpip thread, whose the control block is. */
static err_t set_pcb_option(struct tcpip_api_call_data *data)
{
	struct option_call *o = (struct option_call *)data;

	if (!o->conn->pcb.ip)
		return ERR_CONN;
	if (o->option == SO_REUSEADDR && o->on)
		ip_set_option(o->conn->pcb.ip, SOF_REUSEADDR);
	else if (o->option == SO_REUSEADDR)
		ip_reset_option(o->conn->pcb.ip, SOF_REUSEADDR);
	else if (o->on)
		tcp_nagle_disable(o->conn->pcb.tcp);
	else
		tcp_nagle_enable(o->conn->pcb.tcp);
	return ERR_OK;
}

static int64_t set_option(struct descriptor *d, int level, int option, int64_t value)
{
	struct option_call o = { .conn = d->conn, .option = option, .on = value != 0 };

	if (value < 0 || value > INT32_MAX)
		return -EINVAL;
	if (level == SOL_SOCKET && option == SO_RCVTIMEO) {
		netconn_set_recvtimeout(d->conn, (u32_t)value);
		return 0;
	}
	if (level == SOL_SOCKET && option == SO_SNDTIMEO) {
		netconn_set_sendtimeout(d->conn, (s32_t)value);
		return 0;
	}
	if ((level == SOL_SOCKET && option == SO_REUSEADDR) || (level == IPPROTO_TCP && option == TCP_NODELAY && d->type == FD_TCP))
		return failure(tcpip_api_call(set_pcb_option, &o.base));
	return -ENOPROTOOPT;
}

int sys_setsockopt(int fd, int level, int option, int64_t value)
{
	struct descriptor *d = fd_get(fd, TCP | UDP);
	struct call c;

	call_begin(&c, CALL_SETSOCKOPT);
	call_in(&c, (uint64_t)fd);
	call_in(&c, (uint64_t)level);
	call_in(&c, (uint64_t)option);
	call_in(&c, (uint64_t)value);
	call_in(&c, sizeof(int));
	call_enter(&c);
	return (int)call_exit(&c, d ? set_option(d, level, option, value) : -EBADF);
}

int sys_bind(int fd, const struct sockaddr4 *addr)
{
	struct descriptor *d = fd_get(fd, TCP | UDP);
	ip_addr_t ip = { addr->addr };
	struct call c;

	call_begin(&c, CALL_BIND);
	call_in(&c, (uint64_t)fd);
	call_in(&c, sockaddr_word(addr));
	call_in(&c, SOCKADDR_LEN);
	call_enter(&c);
	return (int)call_exit(&c, d ? failure(netconn_bind(d->conn, &ip, addr->port)) : -EBADF);
}

int sys_listen(int fd, int backlog)
{
	struct descriptor *d = fd_get(fd, TCP);
	struct call c;

	call_begin(&c, CALL_LISTEN);
	call_in(&c, (uint64_t)fd);
	call_in(&c, (uint64_t)backlog);
	call_enter(&c);
	if (!d)
		return (int)call_exit(&c, -EBADF);
	if (backlog < 1)
		backlog = 1;
	else if (backlog > DEFAULT_ACCEPTMBOX_SIZE)
		backlog = DEFAULT_ACCEPTMBOX_SIZE;
	return (int)call_exit(&c, failure(netconn_listen_with_backlog(d->conn, (u8_t)backlog)));
}

/* Take a connection and give it a descriptor; asking for the peer settles its row, as it's a message to lwIP. */
static int64_t accept_one(struct descriptor *listener, int listen_fd, struct sockaddr4 *addr)
{
	struct netconn *conn = NULL;
	ip_addr_t ip;
	int64_t fd;
	err_t err;

	waiting(UNIOBS_WAIT_ACCEPT, listener, listen_fd);
	err = netconn_accept(listener->conn, &conn);
	thread_clear_wait();
	if (err != ERR_OK)
		return failure(err);
	fd = fd_new(FD_TCP);
	if (fd < 0) {
		netconn_delete(conn);
		return fd;
	}
	fd_get(fd, TCP)->conn = conn;
	if (netconn_peer(conn, &ip, &addr->port) != ERR_OK) {
		fd_free(fd);
		netconn_delete(conn);
		return -ECONNABORTED;
	}
	addr->addr = ip.addr;
	return fd;
}

int sys_accept(int fd, struct sockaddr4 *addr)
{
	struct descriptor *d = fd_get(fd, TCP);
	struct call c;
	int64_t ret;

	call_begin(&c, CALL_ACCEPT);
	call_in(&c, (uint64_t)fd);
	call_enter(&c);
	ret = d ? accept_one(d, fd, addr) : -EBADF;
	if (ret >= 0) {
		call_out(&c, sockaddr_word(addr));
		call_out(&c, SOCKADDR_LEN);
	}
	return (int)call_exit(&c, ret);
}

int sys_shutdown(int fd, int how)
{
	struct descriptor *d = fd_get(fd, TCP);
	struct call c;
	int64_t ret;

	call_begin(&c, CALL_SHUTDOWN);
	call_in(&c, (uint64_t)fd);
	call_in(&c, (uint64_t)how);
	call_enter(&c);
	if (!d)
		ret = -EBADF;
	else if (how < SHUT_RD || how > SHUT_RDWR)
		ret = -EINVAL;
	else
		ret = failure(netconn_shutdown(d->conn, how != SHUT_WR, how != SHUT_RD));
	return (int)call_exit(&c, ret);
}

/* The descriptor is given up before the connection is, so that nobody finds a dead one through it. */
static void close_socket(struct descriptor *d, int fd)
{
	struct netconn *conn = d->conn;
	struct pbuf *unread = d->unread;

	d->unread = NULL;
	fd_free(fd);
	if (unread)
		pbuf_free(unread);
	netconn_delete(conn);
}

int sys_close(int fd)
{
	struct descriptor *d = fd_get(fd, TCP | UDP | 1u << FD_FILE);
	struct call c;

	call_begin(&c, CALL_CLOSE);
	call_in(&c, (uint64_t)fd);
	call_enter(&c);
	if (!d)
		return (int)call_exit(&c, -EBADF);
	if (d->type == FD_FILE) {
		struct file *file = d->file;

		fd_free(fd);
		ramfs_release(file);
	} else {
		close_socket(d, fd);
	}
	return (int)call_exit(&c, 0);
}
