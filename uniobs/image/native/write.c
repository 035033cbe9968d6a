/* write.c - the index file: a head page, then pages of rows, tables and texts, then their checksums. */
#include "builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAGE = 4096, ROWS = 204, VERSION = 1, KEY_AT = 256, KEY_MAX = 1024 };

static uint32_t crc_table[8][256];

static void crc_start(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
		crc_table[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int n = 1; n < 8; n++)
			crc_table[n][i] = crc_table[n - 1][i] >> 8 ^ crc_table[0][crc_table[n - 1][i] & 255];
}

/* CRC-32 as zlib's, eight bytes a step. */
static uint32_t crc32_of(const uint8_t *data, size_t size)
{
	uint32_t crc = ~0u;

	for (; size >= 8; size -= 8, data += 8) {
		uint64_t word;

		memcpy(&word, data, 8);
		word ^= crc;
		crc = crc_table[7][word & 255] ^ crc_table[6][word >> 8 & 255] ^ crc_table[5][word >> 16 & 255] ^
		      crc_table[4][word >> 24 & 255] ^ crc_table[3][word >> 32 & 255] ^
		      crc_table[2][word >> 40 & 255] ^ crc_table[1][word >> 48 & 255] ^ crc_table[0][word >> 56];
	}
	for (; size; size--)
		crc = crc >> 8 ^ crc_table[0][(crc ^ *data++) & 255];
	return ~crc;
}

static size_t pages(size_t bytes)
{
	return (bytes + PAGE - 1) / PAGE;
}

static void put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, 4);
}

static void put64(uint8_t *at, uint64_t value)
{
	memcpy(at, &value, 8);
}

/* A page: the addresses of its rows, then their nodes, files, lines. */
static void put_rows(uint8_t *to, uint8_t *tops)
{
	for (size_t i = 0; i < OUT.rows.count; i++) {
		const struct row *row = &OUT.rows.item[i];
		uint8_t *page = to + i / ROWS * PAGE;
		const size_t n = i % ROWS;

		if (!n)
			put64(tops + i / ROWS * 8, row->address);
		put64(page + 8 * n, row->address);
		put32(page + 8 * ROWS + 4 * n, row->node);
		put32(page + 12 * ROWS + 4 * n, row->file);
		put32(page + 16 * ROWS + 4 * n, row->line);
	}
}

static void write_fully(int file, const uint8_t *data, size_t size)
{
	while (size) {
		const ssize_t done = write(file, data, size);

		if (done <= 0)
			leave(EXIT_WRITE, "the index can't be written");
		data += done;
		size -= (size_t)done;
	}
}

void write_index(int file, const char *key)
{
	const size_t row_pages = (OUT.rows.count + ROWS - 1) / ROWS, key_size = strlen(key);
	const struct part {
		const void *data;
		size_t count, size;
	} parts[] = {
		{ 0, row_pages, 8 }, /* tops */
		{ OUT.nodes.item, OUT.nodes.count, sizeof(struct node) },
		{ OUT.names.item, OUT.names.count, sizeof(struct name) },
		{ OUT.ranges.item, OUT.ranges.count, sizeof(struct range) },
		{ OUT.strings.item, OUT.strings.count, 1 },
	};
	size_t at = 1 + row_pages, total = at, sums;
	uint8_t *image;

	if (key_size > KEY_MAX)
		leave(EXIT_USAGE, "the key is too long");
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		total += pages(parts[i].count * parts[i].size);
	sums = total;
	total += pages((sums - 1) * 4);
	image = need(total, PAGE);
	crc_start();
	memcpy(image, "\x89uniobs\n", 8);
	put32(image + 8, VERSION);
	put32(image + 12, PAGE);
	put64(image + 16, total * (uint64_t)PAGE);
	put64(image + 24, OUT.rows.count);
	put64(image + 32, sums);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		const size_t bytes = parts[i].count * parts[i].size;

		put64(image + 40 + 16 * i, at);
		put64(image + 48 + 16 * i, parts[i].count);
		if (!i)
			put_rows(image + PAGE, image + at * PAGE);
		else if (bytes)
			memcpy(image + at * PAGE, parts[i].data, bytes);
		at += pages(bytes);
	}
	for (size_t i = 1; i < sums; i++)
		put32(image + sums * PAGE + 4 * (i - 1), crc32_of(image + i * PAGE, PAGE));
	put32(image + 136, crc32_of(image + sums * PAGE, (sums - 1) * 4));
	put32(image + 140, (uint32_t)key_size);
	memcpy(image + KEY_AT, key, key_size);
	put32(image + PAGE - 4, crc32_of(image, PAGE - 4));
	write_fully(file, image, total * PAGE);
	free(image);
}
