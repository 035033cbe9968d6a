/* memory.c - memory that grows or ends the process, and the bound on work. */
#include "builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *partial;

static uint64_t budget;

_Noreturn void leave(int code, const char *why)
{
	fprintf(stderr, "symbol-index: %s\n", why);
	if (partial && *partial)
		unlink(partial);
	exit(code);
}

void *grown(void *items, size_t *capacity, size_t count, size_t size)
{
	const size_t wanted = count < 16 ? 16 : count + count / 2;
	void *more;

	if (wanted > SIZE_MAX / 2 / size || wanted >= NOTHING)
		leave(EXIT_MEMORY, "too large");
	more = realloc(items, wanted * size);
	if (!more)
		leave(EXIT_MEMORY, "out of memory");
	*capacity = wanted;
	return more;
}

void *need(size_t count, size_t size)
{
	void *made = calloc(count ? count : 1, size);

	if (!made)
		leave(EXIT_MEMORY, "out of memory");
	return made;
}

void work_limit(uint64_t steps)
{
	budget = steps;
}

void work(uint64_t steps)
{
	if (steps > budget)
		leave(EXIT_WORK, "this takes more work than its size justifies");
	budget -= steps;
}
