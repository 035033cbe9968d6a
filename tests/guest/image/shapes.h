#ifndef SHAPES_H
#define SHAPES_H
struct shape { int kind; union { double r; int side[2]; } u; };
double area(const struct shape *s);
unsigned mix(unsigned a, unsigned b);
static inline int clamp(int v, int lo, int hi)
{
	if (v < lo)
		return lo;
	return v > hi ? hi : v;
}
#endif
