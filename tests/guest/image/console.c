/* A kernel to crash in tests of console logs. */
int cell;
#ifndef MARK
#define MARK mark /* a variable by which kernels are told apart */
#endif
long MARK;

static inline __attribute__((always_inline)) void poke(volatile int *p)
{
	*p = 1;
}

__attribute__((noinline)) int deref(volatile int *p)
{
	poke(p);
	return *p;
}

__attribute__((noinline)) int crash_here(volatile int *p)
{
	return deref(p) + 1;
}

__attribute__((noinline)) int worker(volatile int *p)
{
	return crash_here(p) + cell + (int)MARK;
}

__asm__(".pushsection .text\n.skip 256, 0x90\n.popsection"); /* as much text as identifies an image */

void _start(void)
{
	cell = worker(&cell);
	for (;;)
		;
}
