/* string.c - libc's string functions; the compiler calls the mem* ones by itself. */
#include <stdint.h>
#include "../kstring.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return start;
}

void *memmove(void *to, const void *from, size_t n)
{
	unsigned char *d = to;
	const unsigned char *s = from;

	if (d <= s || d >= s + n)
		return memcpy(to, from, n);
	d += n - 1;
	s += n - 1;
	__asm__ volatile("std; rep movsb; cld" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	void *start = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte) : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (; n != 0; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

void *memchr(const void *s, int byte, size_t n)
{
	const unsigned char *p = s;

	for (; n != 0; n--, p++)
		if (*p == (unsigned char)byte)
			return (void *)(uintptr_t)p;
	return NULL;
}

size_t strlen(const char *s)
{
	const char *p = s;

	while (*p != '\0')
		p++;
	return (size_t)(p - s);
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != '\0')
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n != 0; n--, a++, b++)
		if (*a != *b || *a == '\0')
			return (unsigned char)*a - (unsigned char)*b;
	return 0;
}

char *strchr(const char *s, int byte)
{
	for (;; s++) {
		if (*s == (char)byte)
			return (char *)(uintptr_t)s;
		if (*s == '\0')
			return NULL;
	}
}

char *strrchr(const char *s, int byte)
{
	const char *found = NULL;

	for (;; s++) {
		if (*s == (char)byte)
			found = s;
		if (*s == '\0')
			return (char *)(uintptr_t)found;
	}
}

char *strstr(const char *s, const char *what)
{
	size_t n = strlen(what);

	for (; *s != '\0'; s++)
		if (strncmp(s, what, n) == 0)
			return (char *)(uintptr_t)s;
	return n == 0 ? (char *)(uintptr_t)s : NULL;
}

char *strncpy(char *to, const char *from, size_t n)
{
	size_t have = strnlen(from, n);

	memcpy(to, from, have);
	memset(to + have, 0, n - have);
	return to;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
	size_t n = strlen(from), copy;

	if (size == 0)
		return n;
	copy = n < size ? n : size - 1;
	memcpy(to, from, copy);
	to[copy] = '\0';
	return n;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
}

unsigned long strtoul(const char *s, char **end, int base)
{
	unsigned long value = 0;

	if ((base == 0 || base == 16) && s[0] == '0' && (s[1] | 32) == 'x') {
		s += 2;
		base = 16;
	}
	if (base == 0)
		base = 10;
	for (; digit(*s) < base; s++)
		value = value * (unsigned long)base + (unsigned long)digit(*s);
	if (end != NULL)
		*end = (char *)(uintptr_t)s;
	return value;
}

int atoi(const char *s)
{
	return *s == '-' ? -(int)strtoul(s + 1, NULL, 10) : (int)strtoul(s, NULL, 10);
}
