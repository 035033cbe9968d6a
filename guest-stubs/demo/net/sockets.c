/* sockets.c - lwIP's connections as rows of the region's socket table: what changed is written after each message. */
#include "sockets.h"

#define TRACKS 64u
#define LIST_BOUND 128u

static struct track tracks[TRACKS];

void (*net_owner_of)(const struct netconn *conn, struct net_owner *out);

/* lwIP's enum tcp_state to Linux's numbers */
static const uint8_t states[] = {
	[CLOSED] = UNIOBS_TCP_CLOSE, [LISTEN] = UNIOBS_TCP_LISTEN, [SYN_SENT] = UNIOBS_TCP_SYN_SENT,
	[SYN_RCVD] = UNIOBS_TCP_SYN_RECV, [ESTABLISHED] = UNIOBS_TCP_ESTABLISHED, [FIN_WAIT_1] = UNIOBS_TCP_FIN_WAIT1,
	[FIN_WAIT_2] = UNIOBS_TCP_FIN_WAIT2, [CLOSE_WAIT] = UNIOBS_TCP_CLOSE_WAIT, [CLOSING] = UNIOBS_TCP_CLOSING,
	[LAST_ACK] = UNIOBS_TCP_LAST_ACK, [TIME_WAIT] = UNIOBS_TCP_TIME_WAIT,
};

static void owner(struct uniobs_socket *out, const struct netconn *conn, const void *pcb)
{
	struct net_owner o = { .fd = -1 };

	out->fd = -1;
	/* a connection that wasn't accepted yet still points to its listener's netconn */
	if (!conn || conn->pcb.ip != pcb || !net_owner_of)
		return;
	net_owner_of(conn, &o);
	out->fd = o.fd;
	out->owner_tid = o.tid;
	out->rx_bytes = o.read;
	out->tx_bytes = o.written;
	out->recvq = (conn->recv_avail > 0 ? (uint32_t)conn->recv_avail : 0) + o.unread;
}

static void describe_common(struct uniobs_socket *out, uint8_t kind, const void *pcb, const ip_addr_t *local, uint16_t port)
{
	memset(out, 0, sizeof(*out));
	out->kind = kind;
	out->id = (uintptr_t)pcb;
	out->family = 4;
	out->fd = -1;
	memcpy(out->laddr, &local->addr, 4);
	out->lport = port;
}

void describe_listener(struct uniobs_socket *out, const struct tcp_pcb_listen *pcb)
{
	const struct netconn *conn = pcb->callback_arg;

	describe_common(out, UNIOBS_FD_KIND_TCP, pcb, &pcb->local_ip, pcb->local_port);
	out->state = UNIOBS_TCP_LISTEN;
	owner(out, conn, pcb);
	out->backlog_max = pcb->backlog;
	if (conn && conn->pcb.ip == (const void *)pcb)
		out->backlog = (uint16_t)sys_mbox_fill(&conn->acceptmbox);
}

void describe_tcp(struct uniobs_socket *out, const struct tcp_pcb *pcb, const struct track *t)
{
	bool peer_closed = pcb->state == CLOSE_WAIT || pcb->state == LAST_ACK || pcb->state == CLOSING || pcb->state == TIME_WAIT;
	bool close_acked = pcb->state == FIN_WAIT_2 || pcb->state == TIME_WAIT;

	describe_common(out, UNIOBS_FD_KIND_TCP, pcb, &pcb->local_ip, pcb->local_port);
	out->state = (unsigned)pcb->state < sizeof(states) ? states[pcb->state] : UNIOBS_TCP_NONE;
	memcpy(out->raddr, &pcb->remote_ip.addr, 4);
	out->rport = pcb->remote_port;
	owner(out, pcb->callback_arg, pcb);
	out->sendq = TCP_SND_BUF - pcb->snd_buf;
	out->cwnd = pcb->cwnd;
	out->mss = pcb->mss;
	if (!t)
		return;
	/* a FIN takes one number of the sequence but is no byte */
	out->rx_bytes = t->rx - (peer_closed && t->rx ? 1 : 0);
	out->tx_bytes = t->tx - (close_acked && t->tx ? 1 : 0);
	out->retransmits = t->retransmits;
	out->rtt_us = t->rtt_us;
	out->opened = t->opened;
}

void describe_udp(struct uniobs_socket *out, const struct udp_pcb *pcb)
{
	describe_common(out, UNIOBS_FD_KIND_UDP, pcb, &pcb->local_ip, pcb->local_port);
	out->state = pcb->flags & UDP_FLAGS_CONNECTED ? UNIOBS_TCP_ESTABLISHED : UNIOBS_TCP_CLOSE;
	memcpy(out->raddr, &pcb->remote_ip.addr, 4);
	out->rport = pcb->remote_port;
	owner(out, pcb->recv_arg, pcb);
}

struct track *track_find(const void *pcb)
{
	unsigned i;

	for (i = 0; i < TRACKS; i++)
		if (tracks[i].pcb == pcb)
			return &tracks[i];
	return NULL;
}

static void forget(struct track *t)
{
	uniobs_socket_remove(t->row);
	t->pcb = NULL;
}

/* The track of this control block; a new one when its memory now holds another connection. */
static struct track *track(const void *pcb, uint8_t kind, uint16_t lport, uint16_t rport, uint32_t raddr)
{
	struct track *t = track_find(pcb);
	uint32_t was;

	if (t) {
		memcpy(&was, t->shown.raddr, 4);
		if (t->shown.kind == kind && (t->shown.lport == lport || t->shown.lport == 0) &&
		    ((t->shown.rport == rport && was == raddr) || t->shown.rport == 0)) {
			t->seen = true;
			return t;
		}
		forget(t);
	} else {
		t = track_find(NULL);
		if (!t)
			return NULL;
	}
	memset(t, 0, sizeof(*t));
	t->pcb = pcb;
	t->opened = clock_tsc();
	t->row = uniobs_socket_add(kind, (uintptr_t)pcb, -1, 0);
	t->seen = true;
	return t;
}

static void publish(struct track *t, const struct uniobs_socket *now)
{
	if (memcmp(&t->shown, now, sizeof(*now)) == 0)
		return;
	t->shown = *now;
	uniobs_socket_set(t->row, now);
}

/* Add up what lwIP only keeps as running numbers. */
static void account(struct track *t, const struct tcp_pcb *pcb, bool fresh)
{
	uint64_t now;

	if (pcb->state == CLOSED || pcb->state == SYN_SENT)
		return;
	if (fresh) {
		t->rcv_nxt = pcb->rcv_nxt;
		t->lastack = pcb->state == SYN_RCVD ? pcb->lastack + 1 : pcb->lastack;
	}
	t->rx += pcb->rcv_nxt - t->rcv_nxt;
	t->rcv_nxt = pcb->rcv_nxt;
	if (TCP_SEQ_GT(pcb->lastack, t->lastack)) {
		t->tx += pcb->lastack - t->lastack;
		t->lastack = pcb->lastack;
	}
	if (pcb->nrtx > t->nrtx) {
		t->retransmits += pcb->nrtx - t->nrtx;
		t->timing = false;
	}
	t->nrtx = pcb->nrtx;
	/* lwIP times one segment at once, in half seconds; we take the same segment and the TSC */
	if (t->timing && pcb->rttest == 0) {
		if (TCP_SEQ_GT(pcb->lastack, t->timed_seq)) {
			now = (clock_ns() - t->timed_since) / 1000;
			t->rtt_us = t->rtt_us ? (uint32_t)((t->rtt_us * 7ull + now) / 8) : (uint32_t)now;
		}
		t->timing = false;
	} else if (pcb->rttest != 0 && (!t->timing || t->timed_seq != pcb->rtseq)) {
		t->timing = true;
		t->timed_seq = pcb->rtseq;
		t->timed_since = clock_ns();
	}
}

static void sync_tcp(const struct tcp_pcb *pcb)
{
	struct uniobs_socket now;
	struct track *t = track(pcb, UNIOBS_FD_KIND_TCP, pcb->local_port, pcb->remote_port, pcb->remote_ip.addr);

	if (!t)
		return;
	account(t, pcb, t->shown.id == 0);
	describe_tcp(&now, pcb, t);
	publish(t, &now);
}

static void sync_listener(const struct tcp_pcb_listen *pcb)
{
	struct uniobs_socket now;
	struct track *t = track(pcb, UNIOBS_FD_KIND_TCP, pcb->local_port, 0, 0);

	if (!t)
		return;
	describe_listener(&now, pcb);
	now.opened = t->opened;
	publish(t, &now);
}

static void sync_udp(const struct udp_pcb *pcb)
{
	struct uniobs_socket now;
	struct track *t = track(pcb, UNIOBS_FD_KIND_UDP, pcb->local_port, pcb->remote_port, pcb->remote_ip.addr);

	if (!t)
		return;
	describe_udp(&now, pcb);
	now.opened = t->opened;
	publish(t, &now);
}

/* Bounded, as it also runs when a crash may have left a list in pieces. */
void sockets_visit(const struct visitor *v)
{
	const struct tcp_pcb *lists[] = { tcp_active_pcbs, tcp_tw_pcbs, tcp_bound_pcbs };
	const struct tcp_pcb_listen *l;
	const struct udp_pcb *u;
	unsigned i, n;

	for (l = tcp_listen_pcbs.listen_pcbs, n = 0; l && n < LIST_BOUND; l = l->next, n++)
		v->listener(l);
	for (i = 0; i < 3; i++) {
		const struct tcp_pcb *p;

		for (p = lists[i], n = 0; p && n < LIST_BOUND; p = p->next, n++)
			v->tcp(p);
	}
	for (u = udp_pcbs, n = 0; u && n < LIST_BOUND; u = u->next, n++)
		v->udp(u);
}

void sockets_sync(void)
{
	static const struct visitor v = { sync_tcp, sync_listener, sync_udp };
	unsigned i;

	for (i = 0; i < TRACKS; i++)
		tracks[i].seen = false;
	sockets_visit(&v);
	for (i = 0; i < TRACKS; i++)
		if (tracks[i].pcb && !tracks[i].seen)
			forget(&tracks[i]);
}
