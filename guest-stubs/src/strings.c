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
	uint32_t at, size;

	if (!first || !text)
		return 0;
	for (at = sizeof *s->strings; at < s->strings->used; at += uniobs_length(first + at, ~0u) + 1)
		if (equal(first + at, text))
			return at;
	size = uniobs_length(text, s->strings_size) + 1;
	if (size > s->strings_size - at) {
		s->live->string_overflow++;
		return 0;
	}
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
