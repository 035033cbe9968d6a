/* sockets_dump.c - the same connections as lines on the console, for checking what tools read from outside. */
#include "sockets.h"

void socket_print(const struct uniobs_socket *s)
{
	static const char *const kinds[] = { "free", "tcp", "udp", "raw", "file" };
	static const char *const names[] = {
		"NONE", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT",
		"LAST_ACK", "LISTEN", "CLOSING",
	};
	char text[16];

	dump_begin("socket");
	dump_str("kind", kinds[s->kind]);
	dump_hex("id", s->id);
	dump_str("state", names[s->state]);
	dump_i64("fd", s->fd);
	dump_u64("owner_tid", s->owner_tid);
	ksnprintf(text, sizeof(text), "%u.%u.%u.%u", s->laddr[0], s->laddr[1], s->laddr[2], s->laddr[3]);
	dump_str("laddr", text);
	dump_u64("lport", s->lport);
	ksnprintf(text, sizeof(text), "%u.%u.%u.%u", s->raddr[0], s->raddr[1], s->raddr[2], s->raddr[3]);
	dump_str("raddr", text);
	dump_u64("rport", s->rport);
	dump_u64("backlog", s->backlog);
	dump_u64("backlog_max", s->backlog_max);
	dump_u64("recvq", s->recvq);
	dump_u64("sendq", s->sendq);
	dump_u64("rx_bytes", s->rx_bytes);
	dump_u64("tx_bytes", s->tx_bytes);
	dump_u64("opened", s->opened);
	dump_u64("retransmits", s->retransmits);
	dump_u64("cwnd", s->cwnd);
	dump_u64("rtt_us", s->rtt_us);
	dump_u64("mss", s->mss);
	if (s->path[0])
		dump_str("path", (const char *)s->path);
	dump_end();
}

static void dump_tcp(const struct tcp_pcb *pcb)
{
	struct uniobs_socket s;

	describe_tcp(&s, pcb, track_find(pcb));
	socket_print(&s);
}

static void dump_listener(const struct tcp_pcb_listen *pcb)
{
	struct uniobs_socket s;
	const struct track *t = track_find(pcb);

	describe_listener(&s, pcb);
	s.opened = t ? t->opened : 0;
	socket_print(&s);
}

static void dump_udp(const struct udp_pcb *pcb)
{
	struct uniobs_socket s;
	const struct track *t = track_find(pcb);

	describe_udp(&s, pcb);
	s.opened = t ? t->opened : 0;
	socket_print(&s);
}

void sockets_dump(void)
{
	static const struct visitor v = { dump_tcp, dump_listener, dump_udp };

	sockets_visit(&v);
}
