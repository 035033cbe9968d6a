/* strings.c - the string section: texts that rows name by offset. */
#include "internal.h"

uint32_t uniobs_length(const char *text, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && text[n])
		n++;
	return n;
}

void uniobs_text(uint8_t *to, uint32_t size, const char *text)
{
	uint32_t n = text ? uniobs_length(text, size - 1) : 0;

	uniobs_copy(to, text, n);
	uniobs_zero(to + n, size - n);
}

static int equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

uint32_t uniobs_string_held(const char *text)
{
	struct uniobs_state *s = &uniobs_state;
	char *first = (char *)s->strings;
	uint32_t at, size, sum = 2166136261u;  /* FNV-1a, 32 bits */

	if (!first || !text)
		return 0;
	for (at = sizeof *s->strings + sizeof sum; at < s->strings->used; at += uniobs_length(first + at, ~0u) + 1 + sizeof sum)
		if (equal(first + at, text))
			return at;
	for (size = 0; size < s->strings_size && text[size]; size++)
		sum = (sum ^ (uint8_t)text[size]) * 16777619u;
	size++;
	if (at > s->strings_size || size > s->strings_size - at) {
		uniobs_overflow(&s->live->string_overflow);
		return 0;
	}
	uniobs_copy(first + at - sizeof sum, &sum, sizeof sum);
	uniobs_copy(first + at, text, size);
	__atomic_store_n(&s->strings->used, at + size, __ATOMIC_RELEASE);
	return at;
}

uint32_t uniobs_string(const char *text)
{
	uint64_t flags;
	uint32_t at;

	UNIOBS_ENTER(flags);
	at = uniobs_string_held(text);
	UNIOBS_EXIT(flags);
	return at;
}
