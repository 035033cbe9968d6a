/* sys_net.h - what the socket calls share. */
#ifndef DEMO_SYS_NET_H
#define DEMO_SYS_NET_H

#include "calls.h"
#include "fd.h"
#include "syscalls.h"

#include <lwip/api.h>
#include <lwip/errno.h>

#define TCP (1u << FD_TCP)
#define UDP (1u << FD_UDP)
#define SOCKADDR_LEN 16u

static inline int64_t failure(err_t err)
{
	return err == ERR_OK ? 0 : -(int64_t)err_to_errno(err);
}

static inline uint64_t sockaddr_word(const struct sockaddr4 *a)
{
	return UNIOBS_SOCKADDR4(a->addr, a->port);
}

/* Say on behalf of which call the thread is about to block. */
static inline void waiting(uint8_t wait, const struct descriptor *d, int fd)
{
	thread_set_wait(wait, (uintptr_t)d->conn->pcb.ip, fd);
}

#endif
