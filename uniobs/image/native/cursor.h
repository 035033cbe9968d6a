/* cursor.h - reading bytes that may lie: past the end, everything reads as 0 and `bad` stays set. */
#ifndef UNIOBS_INDEX_CURSOR_H
#define UNIOBS_INDEX_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20 };

struct bytes {
	const uint8_t *data;
	size_t size;
};

struct cursor {
	const uint8_t *at, *end;
	bool bad;
};

static inline struct cursor cursor_at(struct bytes from, uint64_t offset)
{
	if (!from.data || offset > from.size)
		return (struct cursor){ from.data, from.data, true };
	return (struct cursor){ from.data + offset, from.data + from.size, false };
}

static inline uint64_t left(const struct cursor *c)
{
	return (uint64_t)(c->end - c->at);
}

static inline bool fail(struct cursor *c)
{
	c->bad = true;
	c->at = c->end;
	return false;
}

static inline bool skip(struct cursor *c, uint64_t size)
{
	if (size > left(c))
		return fail(c);
	c->at += size;
	return true;
}

/* A little-endian number of 1 to 8 bytes. */
static inline uint64_t take(struct cursor *c, unsigned size)
{
	uint64_t value = 0;

	if (size > left(c)) {
		fail(c);
		return 0;
	}
	memcpy(&value, c->at, size);
	c->at += size;
	return value;
}

static inline uint8_t take_u8(struct cursor *c)
{
	if (c->at == c->end) {
		fail(c);
		return 0;
	}
	return *c->at++;
}

/* Numbers of more than 64 bits are bad: nothing that means something has them. */
static inline uint64_t take_uleb_long(struct cursor *c, uint64_t value)
{
	for (unsigned shift = 7;; shift += 7) {
		const uint8_t byte = take_u8(c);
		const uint64_t bits = byte & 0x7f;

		if (c->bad || (shift > 63 && bits) || (shift == 63 && bits > 1)) {
			fail(c);
			return 0;
		}
		if (shift < 64)
			value |= bits << shift;
		if (byte < 0x80)
			return value;
		if (shift > 140) {
			fail(c);
			return 0;
		}
	}
}

static inline uint64_t take_uleb(struct cursor *c)
{
	const uint8_t byte = take_u8(c);

	return byte < 0x80 ? byte : take_uleb_long(c, byte & 0x7f);
}

static inline int64_t take_sleb(struct cursor *c)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = take_u8(c);
		/* the tenth byte holds one bit more, and its sign */
		if (c->bad || shift > 63 || (shift == 63 && byte != 0 && byte != 0x7f)) {
			fail(c);
			return 0;
		}
		value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (byte & 0x40 && shift < 64)
		value |= ~(uint64_t)0 << shift;
	return (int64_t)value;
}

static inline void skip_leb(struct cursor *c)
{
	while (take_u8(c) & 0x80)
		;
}

/* The text at the cursor without its NUL; longer than a megabyte is bad. */
static inline struct bytes take_text(struct cursor *c)
{
	const size_t most = left(c) < TEXT_MAX + 1 ? left(c) : TEXT_MAX + 1; /* where no NUL is, don't search all */
	const uint8_t *start = c->at, *end = most ? memchr(start, 0, most) : 0;

	if (!end) {
		fail(c);
		return (struct bytes){ 0, 0 };
	}
	c->at = end + 1;
	return (struct bytes){ start, (size_t)(end - start) };
}

#endif
