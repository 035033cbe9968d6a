/* sys_arch.h - lwIP's semaphores and mailboxes over the kernel's. */
#ifndef LWIP_ARCH_SYS_ARCH_H
#define LWIP_ARCH_SYS_ARCH_H

#include "kernel.h"

#define MBOX_SLOTS 64u

typedef struct { struct sem sem; bool valid; } sys_sem_t;
typedef struct { struct mutex mutex; bool valid; } sys_mutex_t;
typedef struct {
	struct sem filled;   /* first, so that the mailbox and its semaphore are one address in tools */
	void *ring[MBOX_SLOTS];
	uint32_t head, tail; /* taken at tail, put at head; both count for ever */
	uint32_t slots;
	bool valid;
} sys_mbox_t;
typedef struct thread *sys_thread_t;

/* How many messages wait. */
static inline uint32_t sys_mbox_fill(const sys_mbox_t *mbox) { return mbox->valid ? mbox->head - mbox->tail : 0; }

#endif
