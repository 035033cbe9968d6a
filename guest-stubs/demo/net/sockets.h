/* sockets.h - lwIP's control blocks, described in the words of a socket row. */
#ifndef DEMO_SOCKETS_H
#define DEMO_SOCKETS_H

#include "net.h"

#include <lwip/api.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/udp.h>

/* What we remember of a connection, since lwIP keeps no totals. */
struct track {
	const void *pcb;             /* NULL = unused */
	uniobs_socket_t *row;
	struct uniobs_socket shown;
	bool seen;
	uint64_t opened, rx, tx;
	uint32_t rcv_nxt, lastack;   /* at the last look */
	uint32_t retransmits, rtt_us;
	uint8_t nrtx;
	bool timing;                 /* a segment's round trip is being measured */
	uint32_t timed_seq;
	uint64_t timed_since;
};

/* The track of a control block (or a free one, for NULL); NULL when there is none. */
struct track *track_find(const void *pcb);

/* All that is known of a control block, from lwIP's own structures; t may be NULL. `opened` of listeners and
 * UDP is the caller's to add. */
void describe_tcp(struct uniobs_socket *out, const struct tcp_pcb *pcb, const struct track *t);
void describe_listener(struct uniobs_socket *out, const struct tcp_pcb_listen *pcb);
void describe_udp(struct uniobs_socket *out, const struct udp_pcb *pcb);

struct visitor {
	void (*tcp)(const struct tcp_pcb *);
	void (*listener)(const struct tcp_pcb_listen *);
	void (*udp)(const struct udp_pcb *);
};

void sockets_visit(const struct visitor *v);

#endif
