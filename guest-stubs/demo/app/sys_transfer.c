/* sys_transfer.c - receiving and sending on sockets. */
#include "sys_net.h"

static int64_t receive(struct descriptor *d, int fd, void *buf, size_t len, int flags)
{
	u8_t how = NETCONN_NOAUTORCVD | (flags & MSG_DONTWAIT ? NETCONN_DONTBLOCK : 0);
	struct pbuf *p = NULL;
	uint64_t irq;
	uint16_t n;
	err_t err;

	if (!d->unread) {
		waiting(UNIOBS_WAIT_RECV, d, fd);
		err = netconn_recv_tcp_pbuf_flags(d->conn, &p, how);
		thread_clear_wait();
		if (err != ERR_OK)
			return err == ERR_CLSD ? 0 : failure(err);
		d->unread_at = 0;
		d->unread = p;
	}
	n = (uint16_t)(d->unread->tot_len - d->unread_at);
	if (n > len)
		n = (uint16_t)len;
	pbuf_copy_partial(d->unread, buf, n, (u16_t)d->unread_at);
	irq = irq_save();
	p = NULL;
	d->unread_at += n;
	if (d->unread_at == d->unread->tot_len) {
		p = d->unread;
		d->unread = NULL;
	}
	irq_restore(irq);
	if (p)
		pbuf_free(p);
	netconn_tcp_recvd(d->conn, n);
	return n;
}

int64_t sys_recv(int fd, void *buf, size_t len, int flags)
{
	struct descriptor *d = fd_get(fd, TCP);
	struct call c;
	int64_t ret;

	call_begin(&c, CALL_RECV);
	call_in(&c, (uint64_t)fd);
	call_in(&c, len);
	call_in(&c, (uint64_t)flags);
	call_enter(&c);
	ret = !d ? -EBADF : len == 0 ? 0 : receive(d, fd, buf, len, flags);
	if (ret >= 0)
		call_out_bytes(&c, buf, (uint32_t)ret);
	return call_exit(&c, ret);
}

static int64_t transmit(struct descriptor *d, int fd, const void *buf, size_t len, int flags)
{
	u8_t how = NETCONN_COPY | (flags & MSG_DONTWAIT ? NETCONN_DONTBLOCK : 0);
	size_t written = 0;
	err_t err;

	waiting(UNIOBS_WAIT_SEND, d, fd);
	err = netconn_write_partly(d->conn, buf, len, how, &written);
	thread_clear_wait();
	return written ? (int64_t)written : failure(err);
}

int64_t sys_send(int fd, const void *buf, size_t len, int flags)
{
	struct descriptor *d = fd_get(fd, TCP);
	struct call c;

	call_begin(&c, CALL_SEND);
	call_in(&c, (uint64_t)fd);
	call_in_bytes(&c, buf, (uint32_t)len);
	call_in(&c, len);
	call_in(&c, (uint64_t)flags);
	call_enter(&c);
	return call_exit(&c, !d ? -EBADF : len == 0 ? 0 : transmit(d, fd, buf, len, flags));
}

static int64_t receive_from(struct descriptor *d, int fd, void *buf, size_t len, int flags, struct sockaddr4 *addr)
{
	struct netbuf *packet = NULL;
	uint16_t n;
	err_t err;

	waiting(UNIOBS_WAIT_RECV, d, fd);
	err = netconn_recv_udp_raw_netbuf_flags(d->conn, &packet, flags & MSG_DONTWAIT ? NETCONN_DONTBLOCK : 0);
	thread_clear_wait();
	if (err != ERR_OK)
		return failure(err);
	n = netbuf_copy(packet, buf, (u16_t)(len < UINT16_MAX ? len : UINT16_MAX));
	addr->addr = netbuf_fromaddr(packet)->addr;
	addr->port = netbuf_fromport(packet);
	netbuf_delete(packet);
	d->read += n;
	return n;
}

int64_t sys_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr4 *addr)
{
	struct descriptor *d = fd_get(fd, UDP);
	struct call c;
	int64_t ret;

	call_begin(&c, CALL_RECVFROM);
	call_in(&c, (uint64_t)fd);
	call_in(&c, len);
	call_in(&c, (uint64_t)flags);
	call_enter(&c);
	ret = d ? receive_from(d, fd, buf, len, flags, addr) : -EBADF;
	if (ret >= 0) {
		call_out_bytes(&c, buf, (uint32_t)ret);
		call_out(&c, sockaddr_word(addr));
		call_out(&c, SOCKADDR_LEN);
	}
	return call_exit(&c, ret);
}

static int64_t transmit_to(struct descriptor *d, int fd, const void *buf, size_t len, const struct sockaddr4 *addr)
{
	struct netbuf *packet;
	ip_addr_t ip = { addr->addr };
	err_t err = ERR_MEM;

	if (len > UINT16_MAX)
		return -EMSGSIZE;
	packet = netbuf_new();
	if (!packet)
		return -ENOBUFS;
	if (netbuf_ref(packet, buf, (u16_t)len) == ERR_OK) {
		/* counted first, as the message to lwIP is what has the row written */
		d->written += len;
		waiting(UNIOBS_WAIT_SEND, d, fd);
		err = netconn_sendto(d->conn, packet, &ip, addr->port);
		thread_clear_wait();
		if (err != ERR_OK)
			d->written -= len;
	}
	netbuf_delete(packet);
	return err == ERR_OK ? (int64_t)len : failure(err);
}

int64_t sys_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr4 *addr)
{
	struct descriptor *d = fd_get(fd, UDP);
	struct call c;

	call_begin(&c, CALL_SENDTO);
	call_in(&c, (uint64_t)fd);
	call_in_bytes(&c, buf, (uint32_t)len);
	call_in(&c, len);
	call_in(&c, (uint64_t)flags);
	call_in(&c, sockaddr_word(addr));
	call_in(&c, SOCKADDR_LEN);
	call_enter(&c);
	return call_exit(&c, d ? transmit_to(d, fd, buf, len, addr) : -EBADF);
}
