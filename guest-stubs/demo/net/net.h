/* net.h - lwIP on the network card, and its sockets shown in the region. */
#ifndef DEMO_NET_H
#define DEMO_NET_H

#include "kernel.h"

struct netconn;
struct uniobs_socket;

/* Who holds a connection: the system-call layer knows. fd -1 = no descriptor. unread: bytes it took from
 * lwIP that the program hasn't read yet. read, written: bytes of datagrams, which lwIP doesn't count. */
struct net_owner { int fd; uint32_t tid; uint32_t unread; uint64_t read, written; };
extern void (*net_owner_of)(const struct netconn *conn, struct net_owner *out);

/* Start lwIP and the interface; returns when packets flow, false when there is no card. */
bool net_init(void);
/* Run fn in the tcpip thread, between two messages; doesn't wait for it. */
bool net_call(void (*fn)(void *), void *arg);

/* In the tcpip thread only: bring the rows up to date; or first take received packets, then that. */
void net_publish(void);
void net_settle(void);
void net_mark_tcpip_thread(void);
void sockets_sync(void);
void sockets_dump(void);

/* One row, connection or file, as a line of the dump. */
void socket_print(const struct uniobs_socket *s);

#endif
