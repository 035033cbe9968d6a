/* A deep stack of frames of several kinds: mutual recursion, with and without saved registers, one inlined. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static volatile long sink;
long alpha(long depth, long a, long b);

__attribute__((noinline)) static void stop(void)
{
	raise(SIGTRAP);
	sink++;
}

static inline __attribute__((always_inline)) long turn(long depth, long a)
{
	return alpha(depth - 1, a ^ depth, a + 3) + 1;
}

__attribute__((noinline)) long gamma_(long depth, char *text)
{
	char copy[200];
	memcpy(copy, text, sizeof(copy));
	copy[depth % 200] ^= 1;
	long r = turn(depth, copy[7]);
	sink += copy[depth % 199];
	return r;
}

__attribute__((noinline)) long beta(long depth, long a)
{
	char text[256];
	memset(text, (int)a, sizeof(text));
	long r = gamma_(depth, text);
	sink += text[a & 255];
	return r + a;
}

__attribute__((noinline)) long alpha(long depth, long a, long b)
{
	if (!depth) {
		stop();
		return a;
	}
	long r = depth & 1 ? beta(depth - 1, a + b) : turn(depth, a * b);
	sink += r ^ a;
	return r + b;
}

int main(int argc, char **argv)
{
	(void)argv;
	return (int)alpha(argc > 1 ? atol(argv[1]) : 6000, 3, 4);
}
