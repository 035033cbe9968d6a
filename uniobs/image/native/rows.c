/* rows.c - every unit's functions and lines, merged into rows by address. */
#include "builder.h"

#include <stdlib.h>

enum { UNKNOWN = NOTHING - 1 }; /* .debug_aranges names a unit that isn't there */

struct chunk { /* the rows of one piece of the address space */
	size_t first, count;
};

static rows_t rows; /* in order of units */

static bool read_aranges(intervals_t *intervals)
{
	struct cursor all = cursor_at(B.section[ARANGES], 0);

	if (!B.section[ARANGES].size)
		return true;
	while (left(&all) >= 4) {
		const uint8_t *start = all.at;
		uint64_t length = take(&all, 4), offset;
		unsigned width = 4, padding;
		struct unit *unit;
		struct cursor c;

		if (length == 0xffffffff) {
			length = take(&all, 8);
			width = 8;
		}
		if (all.bad || length > left(&all))
			return false;
		c = all;
		c.end = c.at + length;
		skip(&all, length);
		take(&c, 2);
		offset = take(&c, width);
		unit = unit_at(offset);
		if (take_u8(&c) != 8 || take_u8(&c) != 0 || c.bad)
			return false;
		padding = (unsigned)(-(uint64_t)(c.at - start) & 15);
		if (padding <= left(&c))
			skip(&c, padding);
		else
			c.at = c.end;
		while (left(&c) >= 16) {
			const uint64_t low = take(&c, 8), size = take(&c, 8);
			struct interval interval = { .low = low, .number = UNKNOWN };

			work(1);
			if (!size)
				continue;
			if (__builtin_add_overflow(low, size, &interval.high))
				return false;
			if (unit) {
				unit->listed = true;
				interval.number = (uint32_t)(unit - B.units.item);
			}
			ADD(*intervals, interval);
		}
	}
	return true;
}

/* The units that .debug_aranges doesn't speak of, by their own ranges; false: one is garbled. */
static bool read_unlisted(intervals_t *intervals)
{
	ranges_t ranges = { 0 };
	bool fine = true;

	for (size_t i = 0; i < B.units.count; i++) {
		struct unit *unit = &B.units.item[i];

		if (unit->listed || !unit->has_code)
			continue;
		ranges.count = 0;
		if (!read_root(unit) || !ranges_of(unit, &unit->root, &ranges)) {
			fine = false;
			continue;
		}
		for (size_t n = 0; n < ranges.count; n++)
			ADD(*intervals,
			    (struct interval){ ranges.item[n].low, ranges.item[n].high, (uint32_t)i });
	}
	free(ranges.item);
	return fine;
}

/* `first` where it says something, `second` elsewhere; all addresses from 0 on. */
static void overlay(const pieces_t *first, const pieces_t *second, uint32_t otherwise, pieces_t *both)
{
	uint32_t a = NOTHING, b = NOTHING;
	size_t i = 0, j = 0;
	uint64_t at = 0;

	for (;;) {
		uint32_t number;

		for (; i < first->count && first->item[i].start == at; i++)
			a = first->item[i].number;
		for (; j < second->count && second->item[j].start == at; j++)
			b = second->item[j].number;
		number = a != NOTHING ? a : b != NOTHING ? b : otherwise;
		if (!both->count || both->item[both->count - 1].number != number)
			ADD(*both, (struct piece){ at, number });
		if (i == first->count && j == second->count)
			return;
		at = i == first->count ? second->item[j].start :
		     j == second->count ? first->item[i].start :
		     first->item[i].start < second->item[j].start ? first->item[i].start : second->item[j].start;
	}
}

static void add_row(struct chunk *chunk, struct row row)
{
	if (chunk->count) {
		struct row *last = &rows.item[rows.count - 1];

		if (last->node == row.node && last->file == row.file && last->line == row.line)
			return;
	}
	ADD(rows, row);
	chunk->count++;
}

/* The index of the last one that starts at or before an address; -1: none. */
#define LAST_BEFORE(list, field, address, result)                          \
	do {                                                               \
		size_t low_ = 0, high_ = (list)->count;                    \
		while (low_ < high_) {                                     \
			const size_t mid_ = low_ + (high_ - low_) / 2;     \
			if ((list)->item[mid_].field <= (address))         \
				low_ = mid_ + 1;                           \
			else                                               \
				high_ = mid_;                              \
		}                                                          \
		(result) = (ptrdiff_t)low_ - 1;                            \
	} while (0)

static struct chunk merge(uint64_t low, uint64_t high, const pieces_t *nodes, struct line_table *lines)
{
	struct chunk chunk = { .first = rows.count };
	const line_rows_t *flat = &lines->rows;
	ptrdiff_t n, l;
	uint64_t at = low;

	LAST_BEFORE(nodes, start, low, n);
	LAST_BEFORE(flat, address, low, l);
	for (;;) {
		const uint32_t node = n >= 0 ? nodes->item[n].number : NOTHING;
		struct row row = { .address = at, .node = node == NOTHING ? NODE_NAMELESS : node };
		uint64_t next = UINT64_MAX;

		if (l >= 0 && flat->item[l].file != NOTHING) {
			row.file = file_id(lines, flat->item[l].file);
			row.line = flat->item[l].line;
		}
		add_row(&chunk, row);
		if (n + 1 < (ptrdiff_t)nodes->count)
			next = nodes->item[n + 1].start;
		if (l + 1 < (ptrdiff_t)flat->count && flat->item[l + 1].address < next)
			next = flat->item[l + 1].address;
		if (next >= high)
			return chunk;
		n += n + 1 < (ptrdiff_t)nodes->count && nodes->item[n + 1].start == next;
		l += l + 1 < (ptrdiff_t)flat->count && flat->item[l + 1].address == next;
		at = next;
		work(1);
	}
}

static void read_unit(struct unit *unit, const pieces_t *units, const uint32_t *of_unit, size_t count,
		      struct chunk *chunks)
{
	static struct line_table lines;
	static pieces_t nodes;
	struct line_table *table = &lines;
	const struct value *stmt = &unit->root.slot[S_STMT_LIST];
	bool fine = read_root(unit) && !unit->split;

	lines.rows.count = 0;
	if (fine && stmt->form && !stmt->block)
		fine = read_lines(unit, &lines);
	else
		table = 0;
	fine = fine && read_functions(unit, table, &nodes);
	for (size_t i = 0; i < count; i++) {
		const uint32_t piece = of_unit[i];
		const uint64_t low = units->item[piece].start;
		const uint64_t high = piece + 1 < units->count ? units->item[piece + 1].start : UINT64_MAX;

		if (fine) {
			chunks[piece] = merge(low, high, &nodes, &lines);
		} else {
			chunks[piece] = (struct chunk){ .first = rows.count };
			add_row(&chunks[piece], (struct row){ .address = low, .node = NODE_ASK });
		}
	}
}

static void add_final(struct row row)
{
	const struct row *last = OUT.rows.count ? &OUT.rows.item[OUT.rows.count - 1] : 0;

	if (!last || last->node != row.node || last->file != row.file || last->line != row.line)
		ADD(OUT.rows, row);
}

void read_all(void)
{
	intervals_t listed = { 0 }, unlisted = { 0 };
	pieces_t first = { 0 }, second = { 0 }, units = { 0 };
	uint32_t *starts, *order;
	struct chunk *chunks;
	bool whole;

	for (uint32_t i = 0; i < NODES_FIXED; i++)
		ADD(OUT.nodes, (struct node){ 0, 0, 0, 0 });
	ADD(OUT.names, (struct name){ 0, 0 });
	current = &files[1];
	if (!read_units())
		files[1].units.count = 0;
	current = &files[0];
	if (!read_units())
		leave(EXIT_DWARF, "a unit's header is garbled");
	if (!read_aranges(&listed)) {
		listed.count = 0;
		for (size_t i = 0; i < B.units.count; i++)
			B.units.item[i].listed = false;
	}
	whole = read_unlisted(&unlisted);
	flatten(&listed, &first);
	flatten(&unlisted, &second);
	overlay(&first, &second, whole ? NOTHING : UNKNOWN, &units);

	/* pieces in order of their units: each unit is read once */
	starts = need(B.units.count + 2, sizeof(*starts));
	order = need(units.count, sizeof(*order));
	chunks = need(units.count, sizeof(*chunks));
	for (size_t i = 0; i < units.count; i++)
		if (units.item[i].number < UNKNOWN)
			starts[units.item[i].number + 2]++;
	for (size_t i = 2; i < B.units.count + 2; i++)
		starts[i] += starts[i - 1];
	for (size_t i = 0; i < units.count; i++)
		if (units.item[i].number < UNKNOWN)
			order[starts[units.item[i].number + 1]++] = (uint32_t)i;
	for (size_t i = 0; i < B.units.count; i++)
		if (starts[i + 1] > starts[i])
			read_unit(&B.units.item[i], &units, order + starts[i], starts[i + 1] - starts[i], chunks);

	for (size_t i = 0; i < units.count; i++) {
		const struct piece piece = units.item[i];

		if (piece.number >= UNKNOWN)
			add_final((struct row){ .address = piece.start,
						.node = piece.number == UNKNOWN ? NODE_ASK : NODE_NONE });
		else
			for (size_t n = 0; n < chunks[i].count; n++)
				add_final(rows.item[chunks[i].first + n]);
	}
	free(listed.item);
	free(unlisted.item);
	free(first.item);
	free(second.item);
	free(units.item);
	free(starts);
	free(order);
	free(chunks);
	free(rows.item);
}
