/* The program on kernel.c's structures: two mutexes, each held by the thread that waits for the other. */
typedef union {
	struct __pthread_mutex_s { int __lock; unsigned __count; int __owner; unsigned __nusers; int __kind; } __data;
	char __size[40];
} pthread_mutex_t;

__attribute__((section(".lock_a"))) pthread_mutex_t lock_a = { { 2, 0, 3, 1, 0 } };
__attribute__((section(".lock_b"))) pthread_mutex_t lock_b = { { 2, 0, 4, 1, 0 } };

__attribute__((noinline, used, section(".waits"))) void take_both(pthread_mutex_t *first)
{
	first->__data.__lock = 2;
	__asm__ volatile(".rept 16; nopl 64(%%rax); .endr" ::: "memory");
}

#ifndef LOCK_TAKEN
#define LOCK_TAKEN lock_a
#endif
__attribute__((used)) void _start(void)
{
	take_both(&LOCK_TAKEN);
	for (;;)
		__asm__ volatile(".rept 16; pause; nop; .endr");
}
