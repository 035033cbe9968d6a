/* Shapes for tests of typed access; gdb reads the same memory. checkpoint() is where both look. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define MEMBER first
#define NUMBER int
#include "types_shapes.h"

enum colour { RED, GREEN = 5, BLUE = 63 };
enum sign { BELOW = -3, ZERO, ABOVE = 200 };
enum big { HUGE_ONE = 0x123456789abcULL };

typedef const volatile unsigned short counted_t;
typedef struct { int a; char b[3]; } untagged_t;

struct bits {
	unsigned one : 1;
	unsigned three : 3;
	int minus : 5;
	unsigned : 0;
	unsigned long wide : 40;
	bool flag : 1;
	enum colour colour : 6;
	signed char tiny : 2;
};

struct __attribute__((packed)) packed {
	char c;
	unsigned across : 13;
	int more : 22;
	uint64_t u;
	unsigned last : 31;
};

struct everything {
	char c; signed char sc; unsigned char uc;
	short s; unsigned short us;
	int i; unsigned u; long l; unsigned long ul;
	long long ll; __int128 wide;
	float f; double d; long double ld;
	bool yes, no;
	enum colour colour; enum sign sign; enum big big;
	counted_t counted;
	union { int as_int; float as_float; struct { uint8_t low, high; }; };
	struct { int x; union { long y; char z; }; } named;
	untagged_t untagged, table[3];
	int grid[2][3][4];
	char text[16], full[4];
	const char *string; void *nothing; int (*function)(int); struct everything *self;
	struct bits bits; struct packed packed;
	int *numbers;
	int none[0];
};

struct flexible { int count; int tail[]; };

static int twice(int x) { return 2 * x; }
static int numbers[5] = {1, -2, 3, -4, 5};
const char *words[3] = {"alpha", NULL, "gamma \xc3\xa9"};

struct everything all = {
	.c = 'x', .sc = -7, .uc = 250, .s = -300, .us = 65000, .i = -70000, .u = 4000000000u, .l = -5000000000L,
	.ul = 1UL << 63, .ll = -1, .wide = -((__int128)1 << 100), .f = 1.5f, .d = -0.1, .ld = 3.25L, .yes = true,
	.colour = GREEN, .sign = BELOW, .big = HUGE_ONE, .counted = 77, .as_int = 0x40490fdb,
	.named = {.x = 9, .y = -1}, .untagged = {4, {1, 2, 3}}, .table = {{1, "ab"}, {2, "cd"}, {3, "ef"}},
	.grid = {{{1, 2}, {3, 4, 5, 6}}, {{0}, {0, 0, 0, 7}, {8}}}, .text = "hello", .full = {'f', 'u', 'l', 'l'},
	.string = "constant", .function = twice, .self = &all, .numbers = numbers,
	.bits = {1, 5, -9, 0xabcdef0123, true, GREEN, -2}, .packed = {'p', 0x1abc, -1000, 0xdeadbeefcafe, 0x7ffffffe},
};
struct flexible flexible = {2, {10, 20}};
static volatile int shared = 11;	/* also static elsewhere */
int only_here __attribute__((used)) = 42;
__thread int of_thread = 5;
int doubled = 1;		/* the other unit's is its own */
extern int elsewhere[];
struct opaque *handle;
struct renamed renamed_here = {1};
number_t number_here = 2;

__attribute__((noinline)) void checkpoint(void) { __asm__ volatile("" ::: "memory"); }

int main(int argc, char **argv)
{
	(void)argv;
	handle = make_opaque();
	build_lists();
	of_thread += shared + elsewhere[1];
	checkpoint();
	if (argc > 1) {
		puts("ready");
		fflush(stdout);
		pause();
	}
	return 0;
}
