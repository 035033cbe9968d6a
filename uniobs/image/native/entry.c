/* entry.c - one entry (DIE) of .debug_info, and what its attributes mean. */
#include "builder.h"
#include "forms.h"

const struct abbrev *take_abbrev(struct cursor *c, const struct unit *unit)
{
	const uint64_t code = take_uleb(c);

	if (!code)
		return 0;
	if (code >= unit->abbrevs->count || !unit->abbrevs->by_code[code].tag) {
		fail(c);
		return 0;
	}
	return &unit->abbrevs->by_code[code];
}

void take_entry(struct cursor *c, const struct unit *unit, const struct abbrev *abbrev, struct entry *entry)
{
	const struct spec *spec = unit->abbrevs->specs + abbrev->first;

	memset(entry, 0, sizeof(*entry));
	for (uint32_t i = 0; i < abbrev->count; i++, spec++) {
		struct value *value = &entry->slot[spec->slot];

		if (spec->form == FORM_IMPLICIT_CONST)
			*value = (struct value){ .form = spec->form, .number = (uint64_t)spec->constant };
		else if (spec->slot)
			*value = take_value(c, spec->form, unit->sizes);
		else
			skip_value(c, spec->form, unit->sizes);
	}
}

static uint64_t base_of(const struct unit *unit, enum slot slot, enum slot gnu, uint64_t otherwise)
{
	const struct value *value = &unit->root.slot[slot];

	if (!value->form && gnu)
		value = &unit->root.slot[gnu];
	return value->form && !value->block ? value->number : otherwise;
}

/* A number of `width` bytes at base + index * width of a section. */
static bool indexed(enum section section, uint64_t base, uint64_t index, unsigned width, uint64_t *number)
{
	uint64_t at;
	struct cursor c;

	if (__builtin_mul_overflow(index, width, &at) || __builtin_add_overflow(at, base, &at))
		return false;
	c = cursor_at(B.section[section], at);
	*number = take(&c, width);
	return !c.bad;
}

static bool text_at(const struct builder *file, enum section section, uint64_t offset, struct bytes *text)
{
	struct cursor c = cursor_at(file->section[section], offset);

	*text = take_text(&c);
	return !c.bad;
}

bool text_of(const struct unit *unit, struct value value, struct bytes *text)
{
	const unsigned width = unit->sizes.offset;
	uint64_t offset;

	*text = (struct bytes){ 0, 0 };
	if (value.block)
		return true;
	switch (value.form) {
	case FORM_STRING:
		return text_at(current, INFO, value.number, text);
	case FORM_STRP:
		return text_at(current, STR, value.number, text);
	case FORM_LINE_STRP:
		return text_at(current, LINE_STR, value.number, text);
	case FORM_STRX: case FORM_STRX1: case FORM_STRX2: case FORM_STRX3: case FORM_STRX4:
	case FORM_GNU_STR_INDEX:
		return indexed(STR_OFFSETS, base_of(unit, S_STR_OFFSETS_BASE, 0, unit->sizes.version < 5 ? 0 : 2 * width),
			       value.number, width, &offset) &&
		       text_at(current, STR, offset, text);
	case FORM_GNU_STRP_ALT: case FORM_STRP_SUP:
		return current == files && text_at(&files[1], STR, value.number, text);
	default:
		return true; /* there is none */
	}
}

bool indexed_address(const struct unit *unit, uint64_t index, uint64_t *address)
{
	const uint64_t base = base_of(unit, S_ADDR_BASE, S_GNU_ADDR_BASE, unit->sizes.version < 5 ? 0 : 8);

	return indexed(ADDR, base, index, unit->sizes.address, address);
}

static bool is_indexed(uint16_t form)
{
	return form == FORM_ADDRX || (form >= FORM_ADDRX1 && form <= FORM_ADDRX4) || form == FORM_GNU_ADDR_INDEX;
}

bool address_of(const struct unit *unit, struct value value, uint64_t *address, bool *there)
{
	*address = value.number;
	*there = value.form && !value.block;
	return !*there || !is_indexed(value.form) || indexed_address(unit, value.number, address);
}

bool reference_of(const struct unit *unit, struct value value, uint64_t *offset, bool *there)
{
	*offset = value.number;
	*there = !value.block;
	switch (value.form) {
	case FORM_REF1: case FORM_REF2: case FORM_REF4: case FORM_REF8: case FORM_REF_UDATA:
		return !__builtin_add_overflow(unit->offset, value.number, offset);
	case FORM_REF_ADDR:
		return true;
	case FORM_GNU_REF_ALT: case FORM_REF_SUP4: case FORM_REF_SUP8:
		return current == files && !__builtin_add_overflow(SUPPLEMENT, value.number, offset);
	default:
		*there = false;
		return true;
	}
}

static bool add_range(ranges_t *ranges, uint64_t low, uint64_t high)
{
	work(1);
	if (high > low)
		ADD(*ranges, (struct range){ low, high });
	return ranges->count < RANGES_MAX;
}

static bool old_ranges(const struct unit *unit, uint64_t at, ranges_t *ranges)
{
	const unsigned width = unit->sizes.address;
	const uint64_t ones = ~(uint64_t)0 >> (64 - 8 * width);
	const uint64_t moved = base_of(unit, S_GNU_RANGES_BASE, 0, 0);
	uint64_t base = unit->low_pc;
	struct cursor c;

	if (__builtin_add_overflow(at, moved, &at))
		return false;
	c = cursor_at(B.section[RANGES], at);
	for (;;) {
		uint64_t low = take(&c, width), high = take(&c, width);

		if (c.bad)
			return false;
		if (low == ones) {
			base = high;
			continue;
		}
		if (!low && !high)
			return true;
		if (__builtin_add_overflow(low, base, &low) || __builtin_add_overflow(high, base, &high) ||
		    !add_range(ranges, low, high))
			return false;
	}
}

static bool new_ranges(const struct unit *unit, struct value value, ranges_t *ranges)
{
	const unsigned width = unit->sizes.address, offset_size = unit->sizes.offset;
	uint64_t base = unit->low_pc, at = value.number;
	struct cursor c;

	if (value.form == FORM_RNGLISTX) {
		const uint64_t table = base_of(unit, S_RNGLISTS_BASE, 0, offset_size == 4 ? 12 : 20);

		if (!indexed(RNGLISTS, table, at, offset_size, &at) || __builtin_add_overflow(at, table, &at))
			return false;
	}
	c = cursor_at(B.section[RNGLISTS], at);
	for (;;) {
		const uint8_t kind = take_u8(&c);
		uint64_t low = 0, high = 0;
		bool fine = true;

		if (c.bad)
			return false;
		switch (kind) {
		case 0: /* end_of_list */
			return true;
		case 1: /* base_addressx */
			fine = indexed_address(unit, take_uleb(&c), &base);
			break;
		case 2: /* startx_endx */
			fine = indexed_address(unit, take_uleb(&c), &low) && indexed_address(unit, take_uleb(&c), &high);
			break;
		case 3: /* startx_length */
			fine = indexed_address(unit, take_uleb(&c), &low) &&
			       !__builtin_add_overflow(low, take_uleb(&c), &high);
			break;
		case 4: /* offset_pair */
			fine = !__builtin_add_overflow(base, take_uleb(&c), &low) &&
			       !__builtin_add_overflow(base, take_uleb(&c), &high);
			break;
		case 5: /* base_address */
			base = take(&c, width);
			break;
		case 6: /* start_end */
			low = take(&c, width);
			high = take(&c, width);
			break;
		case 7: /* start_length */
			low = take(&c, width);
			fine = !__builtin_add_overflow(low, take_uleb(&c), &high);
			break;
		default:
			return false;
		}
		if (!fine || c.bad || !add_range(ranges, low, high))
			return false;
	}
}

bool ranges_of(const struct unit *unit, const struct entry *entry, ranges_t *ranges)
{
	const struct value listed = entry->slot[S_RANGES], last = entry->slot[S_HIGH_PC];
	uint64_t low, high;
	bool there, ends;

	if (listed.form && listed.block)
		return true;
	if (listed.form)
		return unit->sizes.version >= 5 ? new_ranges(unit, listed, ranges) :
						  old_ranges(unit, listed.number, ranges);
	if (!address_of(unit, entry->slot[S_LOW_PC], &low, &there))
		return false;
	if (!there || !last.form || last.block)
		return true;
	if (!address_of(unit, last, &high, &ends))
		return false;
	if (last.form != FORM_ADDR && !is_indexed(last.form) && __builtin_add_overflow(low, high, &high))
		return false;
	add_range(ranges, low, high);
	return true;
}
