#include <stdio.h>
#include <stdlib.h>
#include "shapes.h"

#define STEP(n) \
	__attribute__((noinline)) static unsigned step_##n(unsigned v) \
	{ \
		struct shape s = { (int)(v % 4), { .side = { (int)v, n } } }; \
		if (v == 0x1234567 + n) \
			abort(); \
		return mix(v, n) + (unsigned)area(&s) + (unsigned)clamp((int)v, n, n * 3); \
	}
#define TEN(n) STEP(n##0) STEP(n##1) STEP(n##2) STEP(n##3) STEP(n##4) STEP(n##5) STEP(n##6) STEP(n##7)
TEN(1) TEN(2) TEN(3) TEN(4)
#define USE(n) \
	v += step_##n##0(v) + step_##n##1(v) + step_##n##2(v) + step_##n##3(v) + step_##n##4(v) + \
	     step_##n##5(v) + step_##n##6(v) + step_##n##7(v);

int main(int argc, char **argv)
{
	unsigned v = (unsigned)argc;

	(void)argv;
	USE(1)
	USE(2)
	USE(3)
	USE(4)
	printf("%u\n", v);
	return 0;
}
