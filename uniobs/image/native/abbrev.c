/* abbrev.c - abbreviation tables (.debug_abbrev), each read once. */
#include "builder.h"
#include "forms.h"

#include <stdlib.h>

enum { CODES_MAX = 1 << 16, SPECS_MAX = 1 << 12, TABLES = 1 << 10 };

static struct abbrevs *tables[TABLES];

static enum slot slot_of(uint64_t attribute)
{
	switch (attribute) {
	case AT_SIBLING: return S_SIBLING;
	case AT_NAME: return S_NAME;
	case AT_STMT_LIST: return S_STMT_LIST;
	case AT_LOW_PC: return S_LOW_PC;
	case AT_HIGH_PC: return S_HIGH_PC;
	case AT_LANGUAGE: return S_LANGUAGE;
	case AT_COMP_DIR: return S_COMP_DIR;
	case AT_ABSTRACT_ORIGIN: return S_ORIGIN;
	case AT_SPECIFICATION: return S_SPECIFICATION;
	case AT_RANGES: return S_RANGES;
	case AT_CALL_FILE: return S_CALL_FILE;
	case AT_CALL_LINE: return S_CALL_LINE;
	case AT_LINKAGE_NAME: return S_LINKAGE;
	case AT_STR_OFFSETS_BASE: return S_STR_OFFSETS_BASE;
	case AT_ADDR_BASE: return S_ADDR_BASE;
	case AT_RNGLISTS_BASE: return S_RNGLISTS_BASE;
	case AT_GNU_RANGES_BASE: return S_GNU_RANGES_BASE;
	case AT_GNU_ADDR_BASE: return S_GNU_ADDR_BASE;
	case AT_DWO_NAME: case AT_GNU_DWO_NAME: return S_DWO;
	default: return S_NONE;
	}
}

static void put(struct abbrevs *table, uint32_t code, struct abbrev abbrev)
{
	if (code >= table->count) {
		const uint32_t count = code < 64 ? 64 : code + code / 2;
		struct abbrev *more = need(count, sizeof(*more));

		if (table->count)
			memcpy(more, table->by_code, table->count * sizeof(*more));
		free(table->by_code);
		table->by_code = more;
		table->count = count;
	}
	table->by_code[code] = abbrev;
}

static bool parse(struct abbrevs *table)
{
	LIST(struct spec) specs = { 0 };
	struct cursor c = cursor_at(B.section[ABBREV], table->offset);

	for (;;) {
		const uint64_t code = take_uleb(&c);
		const uint64_t tag = code ? take_uleb(&c) : 0;
		struct abbrev abbrev = { .tag = (uint16_t)(tag > UINT16_MAX ? UINT16_MAX : tag) };

		if (c.bad || code >= CODES_MAX)
			break;
		if (!code) {
			table->specs = specs.item;
			return true;
		}
		work(1);
		if (!abbrev.tag)
			abbrev.tag = UINT16_MAX; /* 0 marks codes that aren't there */
		abbrev.children = take_u8(&c);
		abbrev.first = (uint32_t)specs.count;
		abbrev.sibling = NOTHING;
		for (;;) {
			const uint64_t name = take_uleb(&c), form = take_uleb(&c);
			struct spec spec = { .form = (uint16_t)form, .slot = slot_of(name) };
			int size;

			if (form == FORM_IMPLICIT_CONST)
				spec.constant = take_sleb(&c);
			if (c.bad)
				goto garbled;
			if (!name && !form)
				break;
			if (form > UINT16_MAX || !form_known((uint16_t)form) || abbrev.count == SPECS_MAX)
				goto garbled;
			if (spec.slot == S_SIBLING && abbrev.sibling == NOTHING)
				abbrev.sibling = abbrev.count;
			abbrev.has_code |= spec.slot == S_LOW_PC || spec.slot == S_RANGES;
			size = form_size(spec.form, table->sizes);
			abbrev.varies |= size < 0;
			abbrev.fixed += size > 0 ? (uint32_t)size : 0;
			ADD(specs, spec);
			abbrev.count++;
		}
		put(table, (uint32_t)code, abbrev);
	}
garbled:
	free(specs.item);
	return false;
}

const struct abbrevs *abbrevs_of(const struct unit *unit)
{
	const struct sizes s = unit->sizes;
	struct abbrevs **place = &tables[unit->abbrev_offset % TABLES], *table;

	for (table = *place; table; table = table->next)
		if (table->file == current && table->offset == unit->abbrev_offset && table->sizes.version == s.version &&
		    table->sizes.address == s.address && table->sizes.offset == s.offset)
			return table->bad ? 0 : table;
	table = need(1, sizeof(*table));
	table->file = current;
	table->offset = unit->abbrev_offset;
	table->sizes = s;
	table->next = *place;
	*place = table;
	table->bad = !parse(table);
	return table->bad ? 0 : table;
}
