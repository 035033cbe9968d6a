/* lines.c - line tables (.debug_line, DWARF 2 to 5): rows by address. */
#include "builder.h"
#include "forms.h"

#include <stdlib.h>

enum { LINES_MAX = 1 << 24 };

struct program {
	uint8_t step, line_range, opcode_base;
	int8_t line_base;
	const uint8_t *lengths;
};

struct machine {
	struct program program;
	line_rows_t raw; /* of all sequences, each in order of its addresses */
	LIST(size_t) starts;
	intervals_t sequences;
	size_t first; /* row of the sequence at work */
	bool unsorted;
};

bool is_code(uint64_t address)
{
	for (size_t i = 0; i < B.code_count; i++)
		if (address >= B.code[i].low && address < B.code[i].high)
			return true;
	return false;
}

static void add_row(struct machine *m, uint64_t address, uint32_t file, int64_t line)
{
	const line_rows_t *raw = &m->raw;

	if (raw->count > m->first && raw->item[raw->count - 1].address > address)
		m->unsorted = true;
	ADD(m->raw, (struct line_row){ address, file, line > 0 && line <= LINES_MAX ? (uint32_t)line : 0 });
}

/* A stable sort: where rows share an address, the last one holds. */
static void sort_rows(struct line_row *rows, size_t count)
{
	struct line_row *spare = need(count, sizeof(*spare));

	for (size_t width = 1; width < count; width *= 2) {
		for (size_t low = 0; low < count; low += 2 * width) {
			const size_t middle = low + width < count ? low + width : count;
			const size_t high = low + 2 * width < count ? low + 2 * width : count;
			size_t a = low, b = middle;

			for (size_t at = low; at < high; at++)
				spare[at] = a < middle && (b >= high || rows[a].address <= rows[b].address) ?
						    rows[a++] : rows[b++];
		}
		memcpy(rows, spare, count * sizeof(*rows));
	}
	free(spare);
}

/* Ends a sequence; one that the linker discarded (its address isn't code) is dropped. */
static void close_sequence(struct machine *m, uint64_t high)
{
	struct line_row *rows = m->raw.item + m->first;
	const size_t count = m->raw.count - m->first;

	if (count && high > rows[0].address && is_code(rows[0].address)) {
		if (m->unsorted)
			sort_rows(rows, count);
		ADD(m->sequences, (struct interval){ rows[0].address, high, (uint32_t)m->starts.count });
		ADD(m->starts, m->first);
		m->first = m->raw.count;
	} else {
		m->raw.count = m->first;
	}
	m->unsorted = false;
}

static bool run(struct cursor *c, struct machine *m)
{
	const struct program p = m->program;
	uint64_t address = 0, file = 1, delta = 0;
	int64_t line = 1;

	if (!p.line_range || !p.opcode_base)
		return false;
	while (c->at < c->end) {
		const uint8_t op = *c->at++;
		bool over = false;

		if (op >= p.opcode_base) {
			delta = (uint64_t)((op - p.opcode_base) / p.line_range) * p.step;
			if (__builtin_add_overflow(address, delta, &address))
				return false;
			line += p.line_base + (op - p.opcode_base) % p.line_range;
			if (line > INT32_MAX || line < INT32_MIN)
				return false;
			add_row(m, address, (uint32_t)file, line);
			continue;
		}
		switch (op) {
		case 0: {
			struct cursor body = *c;
			const uint64_t size = take_uleb(&body);
			uint8_t kind;

			if (body.bad || size > left(&body))
				return false;
			c->at = body.at + size;
			body.end = c->at;
			kind = size ? take_u8(&body) : 0;
			if (kind == 1) {
				close_sequence(m, address);
				address = 0;
				file = 1;
				line = 1;
			} else if (kind == 2) {
				address = take(&body, size - 1 > 8 ? 8 : (unsigned)(size - 1));
			} else if (kind == 3) {
				return false; /* define_file: nobody writes it */
			}
			break;
		}
		case 1: /* copy */
			add_row(m, address, (uint32_t)file, line);
			break;
		case 2: /* advance_pc */
			over = __builtin_mul_overflow(take_uleb(c), p.step, &delta) ||
			       __builtin_add_overflow(address, delta, &address);
			break;
		case 3: /* advance_line */
			over = __builtin_add_overflow(line, take_sleb(c), &line);
			break;
		case 4: /* set_file */
			file = take_uleb(c);
			break;
		case 5: /* set_column */
			skip_leb(c);
			break;
		case 6: case 7: case 10: case 11: /* flags */
			break;
		case 8: /* const_add_pc */
			delta = (uint64_t)((255 - p.opcode_base) / p.line_range) * p.step;
			over = __builtin_add_overflow(address, delta, &address);
			break;
		case 9: /* fixed_advance_pc */
			over = __builtin_add_overflow(address, take(c, 2), &address);
			break;
		default:
			for (unsigned i = 0; i < p.lengths[op - 1]; i++)
				take_uleb(c);
		}
		/* An address or line out there is nobody's: leave it to a reader that keeps count. */
		if (over || c->bad || file >= NOTHING || line > INT32_MAX || line < INT32_MIN)
			return false;
	}
	m->raw.count = m->first; /* rows without an end say nothing */
	return true;
}

static void add_flat(line_rows_t *flat, struct line_row row)
{
	if (flat->count && flat->item[flat->count - 1].address == row.address)
		flat->item[flat->count - 1] = row;
	else
		ADD(*flat, row);
}

static void lay_flat(struct machine *m, line_rows_t *flat)
{
	pieces_t pieces = { 0 };

	flatten(&m->sequences, &pieces);
	for (size_t i = 0; i < pieces.count; i++) {
		const struct piece piece = pieces.item[i];
		const uint64_t end = i + 1 < pieces.count ? pieces.item[i + 1].start : UINT64_MAX;
		size_t row, last;

		if (piece.number == NOTHING) {
			add_flat(flat, (struct line_row){ piece.start, NOTHING, 0 });
			continue;
		}
		row = m->starts.item[piece.number];
		last = piece.number + 1 < m->starts.count ? m->starts.item[piece.number + 1] : m->raw.count;
		work(last - row);
		while (row + 1 < last && m->raw.item[row + 1].address <= piece.start)
			row++;
		add_flat(flat, (struct line_row){ piece.start, m->raw.item[row].file, m->raw.item[row].line });
		for (row++; row < last && m->raw.item[row].address < end; row++)
			add_flat(flat, m->raw.item[row]);
	}
	free(pieces.item);
}

static bool parse(const struct unit *unit, struct line_table *table, struct machine *m)
{
	struct cursor c = cursor_at(B.section[LINE], unit->root.slot[S_STMT_LIST].number), code;
	struct sizes sizes = { .address = 8, .offset = 4 };
	uint64_t length = take(&c, 4), version, skipped;

	if (length == 0xffffffff) {
		length = take(&c, 8);
		sizes.offset = 8;
	}
	if (c.bad || length > left(&c))
		return false;
	c.end = c.at + length;
	version = take(&c, 2);
	if (version < 2 || version > 5)
		return false;
	sizes.version = (uint8_t)version;
	if (version >= 5) {
		sizes.address = take_u8(&c);
		take_u8(&c);
	}
	skipped = take(&c, sizes.offset);
	code = c;
	skip(&code, skipped);
	m->program.step = take_u8(&c);
	if (version >= 4)
		take_u8(&c); /* maximum_operations_per_instruction is 1 here */
	take_u8(&c); /* default_is_stmt */
	m->program.line_base = (int8_t)take_u8(&c);
	m->program.line_range = take_u8(&c);
	m->program.opcode_base = take_u8(&c);
	m->program.lengths = c.at;
	skip(&c, m->program.opcode_base ? m->program.opcode_base - 1u : 0);
	if (c.bad || code.bad)
		return false;
	work(length);
	return take_files(&c, sizes, table) && run(&code, m);
}

bool read_lines(const struct unit *unit, struct line_table *table)
{
	struct machine m = { 0 };
	bool fine;

	table->directory = unit->directory;
	table->directories.count = table->files.count = table->rows.count = 0;
	fine = parse(unit, table, &m);
	if (fine)
		lay_flat(&m, &table->rows);
	free(m.raw.item);
	free(m.starts.item);
	free(m.sequences.item);
	return fine;
}
