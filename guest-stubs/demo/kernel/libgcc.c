/* libgcc.c - what the compiler calls and libgcc can't give: it is built with a red zone, which interrupts would trample. */
#include <stdint.h>

int __popcountdi2(uint64_t x);

int __popcountdi2(uint64_t x)
{
	int n = 0;

	for (; x != 0; x &= x - 1)
		n++;
	return n;
}
