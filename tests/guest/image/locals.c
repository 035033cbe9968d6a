/* Parameters and local variables in every kind of place. */
#include <stdlib.h>
#include <string.h>

struct pair { long a; short b; char name[8]; };
enum mood { CALM, CROSS = 7 };

volatile int sink;
static int counted = 3;
struct pair table[3] = { { 1, 1, "one" }, { 2, 2, "two" } };

__attribute__((noinline)) void checkpoint(void) { __asm__ volatile("" ::: "memory"); }

__attribute__((noinline)) int innermost(int first, struct pair *second, enum mood mood)
{
	static int calls = 40;
	struct pair own = { first * 2, -3, "own" };
	int rows[4] = { first, 2, 3, 4 };
	const char *word = second->name;
	struct pair *fixed = &table[1]; /* known at link time, but not where the image will lie */
	unsigned long constant = 99;
	calls++;
	for (int i = 0; i < 3; i++) {
		double half = i / 2.0;
		if (i == 1) {
			sink = rows[i] + (int)half + (int)own.a;
			checkpoint();
		}
	}
	sink += rows[3] + (word != 0) + (int)constant + mood + fixed->b;
	return calls + (int)own.b;
}

__attribute__((noinline)) int middle(long *numbers, unsigned char small)
{
	struct pair pair = { numbers[1], small, "middle" };
	int kept = atoi("17") + counted;
	int result = innermost(kept, &pair, CROSS);
	{
		int hidden = result * 2;
		sink = hidden;
	}
	return result + kept + (int)pair.a;
}

int main(int argc, char **argv)
{
	long numbers[3] = { 100, -200, argc };
	int code = middle(numbers, 250);
	return code == sink && argv == 0;
}
