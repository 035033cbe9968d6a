/* A program of the shape that Solo5's bindings have: their symbols, one flow of control, no frame pointers. */

typedef unsigned long u64;

#ifndef ANSWER
#define ANSWER 42
#endif

const char __solo5_mft1_note[4] __attribute__((section(".rodata"))) = "mft";
u64 heap_start;
volatile u64 ticks;

__attribute__((noinline)) void deref(volatile int *p, int v)
{
	*p = v;
}

__attribute__((noinline)) void crash_here(volatile int *nothing)
{
	deref(nothing, ANSWER);
	ticks++;
}

__attribute__((noinline)) void spin_here(void)
{
	for (;;)
		ticks++;
}

/* poll(NULL, 0, 20), as a guest that waits for its devices does by its tender's system calls */
__attribute__((noinline)) void solo5_yield(void)
{
	long nr = 7;

	__asm__ volatile("syscall" : "+a"(nr) : "D"(0), "S"(0), "d"(20) : "rcx", "r11", "memory");
}

__attribute__((noinline)) int solo5_app_main(int what)
{
	for (u64 n = 0; what == 'r' || n < 3; n++) {
		solo5_yield();
		ticks++;
	}
	if (what == 'c')
		crash_here((void *)0x18);
	spin_here();
	return (int)ticks;
}

extern char _end[];

void _start(int what)
{
	heap_start = ((u64)_end + 4095) & ~4095UL;
	solo5_app_main(what);
}
