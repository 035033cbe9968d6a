#include "shapes.h"

static inline double square(double v) { return v * v; }

static inline __attribute__((always_inline)) double circle(double r)
{
	return 3.14159 * square(r);
}

double area(const struct shape *s)
{
	switch (s->kind) {
	case 0:
		return circle(s->u.r);
	case 1:
		return s->u.side[0] * (double)s->u.side[1];
	case 2:
		return square(clamp(s->u.side[0], 1, 100)) / 2;
	default:
		return circle(2) + circle(s->u.r);
	}
}

static inline unsigned rotate(unsigned v, unsigned n) { return (v << (n & 31)) | (v >> (-n & 31)); }

static inline __attribute__((always_inline)) unsigned round_of(unsigned v, unsigned k)
{
	return rotate(v ^ k, 13) * 5 + 0xe6546b64;
}

unsigned mix(unsigned a, unsigned b)
{
	unsigned h = b;

	for (unsigned i = 0; i < 8; i++) {
		h = round_of(h, a + i);
		h = round_of(h, b - i);
		if (h & 1)
			h = rotate(h, clamp((int)a, 3, 9));
	}
	return h;
}
