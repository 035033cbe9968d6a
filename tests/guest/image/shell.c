/* Variables of every kind, for expressions: their values are gdb's. */
#include <stdint.h>
#include <stdbool.h>
#include <string.h>
#include <stddef.h>

enum state { IDLE, READY = 4, BLOCKED, BROKEN = -3 };
enum flags { F_READ = 1, F_WRITE = 2, F_EXEC = 4, F_BIG = 64 };
struct point { int x, y; };
struct node {
	struct node *next;
	int id;
	char name[12];
	enum state state;
	struct { short low; union { int whole; unsigned char bytes[4]; }; };
};
struct bits { unsigned a : 3; signed b : 5; bool on : 1; unsigned long wide : 40; enum state s : 4; };
struct fn { int (*run)(int); void *argument; const char *why; };
struct ring { struct ring *next, *prev; };
struct item { int id; struct ring link; };
struct tail { struct job *tqh_first, **tqh_last; };
struct job { int id; struct { struct job *tqe_next, **tqe_prev; } entry; };
struct deep { struct deep1 { struct deep2 { struct deep3 { int v[2]; struct point p; } d3[2]; } d2; } d1; };

int run_it(int n) { return n + 1; }
signed char tiny = -5;
unsigned char byte_ = 200;
char letter = 'q', newline = '\n';
short small = -1234;
unsigned short port = 65535;
int number = -42, zero;
unsigned count = 4000000000u;
long big = -9000000000L;
unsigned long huge = 0xfedcba9876543210UL;
float half = 0.5f;
double third = -1.25e10;
bool yes = true, no;
enum state now = BLOCKED, strange = (enum state)77, minus = BROKEN;
enum flags mode = F_READ | F_EXEC, odd = F_WRITE | 32, none, everything = F_READ | F_WRITE | F_EXEC | F_BIG;
const char *text = "a \"quoted\"\tline\n";
char buffer[32] = "in a buffer";
char full[4] = { 'f', 'u', 'l', 'l' };
char raw[6] = { 1, 2, 3, 0, 'x', 0 };
uint8_t mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
uint8_t title[8] = "words";
int row[5] = { 1, 2, 3, 4, 5 };
int zeros[300];
int runs[40];
int grid[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
struct point points[3] = { { 1, 2 }, { 3, 4 }, { 5, 6 } };
const char *words[3] = { "one", "two", 0 };
struct node second = { .id = 2, .name = "second", .state = READY, .whole = 0x01020304 };
struct node first = { .next = &second, .id = 1, .name = "first", .state = IDLE, .low = -1, .whole = -1 };
struct node loop;
struct node *head = &first, *nobody;
struct bits bits = { .a = 5, .b = -7, .on = true, .wide = 0x123456789aUL, .s = READY };
struct fn fn = { run_it, &number, "because" };
int (*pointer)(int) = run_it;
void *anything = &points[1];
struct point *middle = &points[1];
struct point **indirect = &middle;
struct deep deep;
struct ring items = { &items, &items };
struct item ones[3];
struct tail jobs;
struct job work[3];
int *outside = (int *)0x10;
volatile long ticks = 12345;
static int hidden = 9;

void checkpoint(void) { __asm__ volatile("" ::: "memory"); }

int main(void)
{
	for (int i = 0; i < 40; i++)
		runs[i] = i < 15 ? 7 : i;
	deep.d1.d2.d3[1].p.y = 11;
	deep.d1.d2.d3[0].v[1] = 12;
	loop.next = &loop;
	for (int i = 0; i < 3; i++) {
		ones[i].id = 10 + i;
		ones[i].link.prev = items.prev;
		ones[i].link.next = &items;
		items.prev->next = &ones[i].link;
		items.prev = &ones[i].link;
		work[i].id = 20 + i;
	}
	jobs.tqh_first = &work[0];
	for (int i = 0; i < 3; i++) {
		work[i].entry.tqe_prev = i ? &work[i - 1].entry.tqe_next : &jobs.tqh_first;
		work[i].entry.tqe_next = i < 2 ? &work[i + 1] : NULL;
	}
	jobs.tqh_last = &work[2].entry.tqe_next;
	hidden += (int)strlen(buffer) - 11;
	checkpoint();
	return hidden == 9 ? zero : 1;
}

char packed[12] = "TRhd\f\0\1\2\3"; /* bytes, not text */
char name_and_more[12] = "name\0old";
