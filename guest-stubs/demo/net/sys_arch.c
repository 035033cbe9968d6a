/* sys_arch.c - lwIP's operating system layer over the kernel. */
#include "net.h"

#include <lwip/sys.h>

static uint32_t tcpip_tid;

u32_t sys_now(void)
{
	return (u32_t)(clock_ns() / 1000000);
}

void sys_init(void)
{
}

sys_prot_t sys_arch_protect(void)
{
	return irq_save();
}

void sys_arch_unprotect(sys_prot_t flags)
{
	irq_restore(flags);
}

void net_assertion(const char *what, const char *file, int line)
{
	panic(UNIOBS_PANIC_ASSERT, "lwIP: %s, %s:%d", what, file, line);
}

uint32_t net_random(void)
{
	static uint64_t state;

	state = (state ^ clock_tsc()) * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state >> 32);
}

sys_thread_t sys_thread_new(const char *name, lwip_thread_fn fn, void *arg, int stack, int priority)
{
	(void)priority;
	return thread_create(name, fn, arg, (size_t)stack);
}

void net_mark_tcpip_thread(void)
{
	tcpip_tid = thread_tid();
}

err_t sys_sem_new(sys_sem_t *sem, u8_t count)
{
	sem_init(&sem->sem, "lwip_done", count);
	sem->valid = true;
	return ERR_OK;
}

void sys_sem_signal(sys_sem_t *sem)
{
	sem_post(&sem->sem);
}

/* Milliseconds since start, or what lwIP takes for "timed out". */
static u32_t waited(uint64_t start, bool got)
{
	return got ? (u32_t)((clock_ns() - start) / 1000000) : SYS_ARCH_TIMEOUT;
}

u32_t sys_arch_sem_wait(sys_sem_t *sem, u32_t timeout)
{
	uint64_t start = clock_ns();

	return waited(start, sem_wait(&sem->sem, timeout));
}

void sys_sem_free(sys_sem_t *sem)
{
	sem->valid = false;
	sem_destroy(&sem->sem);
}

int sys_sem_valid(sys_sem_t *sem)
{
	return sem->valid;
}

void sys_sem_set_invalid(sys_sem_t *sem)
{
	sem->valid = false;
}

err_t sys_mutex_new(sys_mutex_t *mutex)
{
	mutex_init(&mutex->mutex, "lwip");
	mutex->valid = true;
	return ERR_OK;
}

void sys_mutex_lock(sys_mutex_t *mutex)
{
	mutex_lock(&mutex->mutex);
}

void sys_mutex_unlock(sys_mutex_t *mutex)
{
	mutex_unlock(&mutex->mutex);
}

void sys_mutex_free(sys_mutex_t *mutex)
{
	mutex->valid = false;
	mutex_destroy(&mutex->mutex);
}

int sys_mutex_valid(sys_mutex_t *mutex)
{
	return mutex->valid;
}

void sys_mutex_set_invalid(sys_mutex_t *mutex)
{
	mutex->valid = false;
}

err_t sys_mbox_new(sys_mbox_t *mbox, int size)
{
	static bool first = true;

	mbox->slots = size <= 0 || size > (int)MBOX_SLOTS ? MBOX_SLOTS : (uint32_t)size;
	sem_init(&mbox->filled, first ? "tcpip_mbox" : "lwip_mbox", 0);
	first = false;
	mbox->head = mbox->tail = 0;
	mbox->valid = true;
	return ERR_OK;
}

err_t sys_mbox_trypost(sys_mbox_t *mbox, void *message)
{
	uint64_t flags = irq_save();
	bool room = mbox->head - mbox->tail < mbox->slots;

	if (room)
		mbox->ring[mbox->head++ % MBOX_SLOTS] = message;
	irq_restore(flags);
	if (!room)
		return ERR_MEM;
	sem_post(&mbox->filled);
	return ERR_OK;
}

/* More slots than threads that post: full is rare, and a millisecond's wait will do. */
void sys_mbox_post(sys_mbox_t *mbox, void *message)
{
	while (sys_mbox_trypost(mbox, message) != ERR_OK)
		sleep_ms(1);
}

err_t sys_mbox_trypost_fromisr(sys_mbox_t *mbox, void *message)
{
	return sys_mbox_trypost(mbox, message);
}

static void take(sys_mbox_t *mbox, void **message)
{
	uint64_t flags = irq_save();
	void *m = mbox->ring[mbox->tail++ % MBOX_SLOTS];

	irq_restore(flags);
	if (message)
		*message = m;
}

u32_t sys_arch_mbox_fetch(sys_mbox_t *mbox, void **message, u32_t timeout)
{
	uint64_t start = clock_ns();
	bool tcpip = tcpip_tid != 0 && thread_tid() == tcpip_tid;
	bool got;

	if (tcpip) {
		/* the only mailbox that this thread waits at is its own: all it had to do is done */
		net_settle();
		thread_set_wait(UNIOBS_WAIT_MBOX, (uintptr_t)mbox, -1);
	}
	got = sem_wait(&mbox->filled, timeout);
	if (tcpip)
		thread_clear_wait();
	if (got)
		take(mbox, message);
	else if (message)
		*message = NULL;
	return waited(start, got);
}

u32_t sys_arch_mbox_tryfetch(sys_mbox_t *mbox, void **message)
{
	uint64_t flags = irq_save();
	bool got = mbox->filled.count > 0 && sem_wait(&mbox->filled, 0); /* positive: it doesn't block */

	irq_restore(flags);
	if (!got)
		return SYS_MBOX_EMPTY;
	take(mbox, message);
	return 0;
}

void sys_mbox_free(sys_mbox_t *mbox)
{
	mbox->valid = false;
	sem_destroy(&mbox->filled);
}

int sys_mbox_valid(sys_mbox_t *mbox)
{
	return mbox->valid;
}

void sys_mbox_set_invalid(sys_mbox_t *mbox)
{
	mbox->valid = false;
}
