/* unit.c - the units of .debug_info: their headers and root entries. */
#include "builder.h"
#include "forms.h"

static bool read_header(struct unit *unit)
{
	struct cursor c = cursor_at(B.section[INFO], unit->offset);
	uint64_t length = take(&c, 4);
	uint64_t type_at;

	unit->sizes.offset = 4;
	if (length == 0xffffffff) {
		length = take(&c, 8);
		unit->sizes.offset = 8;
	}
	if (c.bad || length > left(&c))
		return false;
	unit->size = (uint64_t)(c.at - B.section[INFO].data) - unit->offset + length;
	c.end = c.at + length;
	unit->sizes.version = 0;
	{
		const uint64_t version = take(&c, 2);

		if (version < 2 || version > 5)
			return false;
		unit->sizes.version = (uint8_t)version;
	}
	if (unit->sizes.version >= 5) {
		unit->kind = take_u8(&c);
		unit->sizes.address = take_u8(&c);
		unit->abbrev_offset = take(&c, unit->sizes.offset);
		if (unit->kind == UT_SKELETON || unit->kind == UT_SPLIT_COMPILE)
			skip(&c, 8);
	} else {
		unit->abbrev_offset = take(&c, unit->sizes.offset);
		unit->sizes.address = take_u8(&c);
	}
	if (unit->kind == UT_TYPE || unit->kind == UT_SPLIT_TYPE) {
		unit->signature = take(&c, 8);
		type_at = take(&c, unit->sizes.offset);
		(void)type_at;
	}
	unit->has_code = unit->kind != UT_TYPE && unit->kind != UT_SPLIT_COMPILE && unit->kind != UT_SPLIT_TYPE;
	unit->first = (uint32_t)((uint64_t)(c.at - B.section[INFO].data) - unit->offset);
	return !c.bad && (unit->sizes.address == 4 || unit->sizes.address == 8);
}

bool read_units(void)
{
	uint64_t at = 0;

	while (at < B.section[INFO].size) {
		struct unit unit = { .offset = at };

		if (!read_header(&unit))
			return false;
		ADD(B.units, unit);
		at += unit.size;
	}
	return true;
}

struct unit *unit_holding(uint64_t offset)
{
	size_t low = 0, high = B.units.count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (B.units.item[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || offset - B.units.item[low - 1].offset >= B.units.item[low - 1].size)
		return 0;
	return &B.units.item[low - 1];
}

struct unit *unit_at(uint64_t offset)
{
	struct unit *unit = unit_holding(offset);

	return unit && unit->offset == offset ? unit : 0;
}

static bool is_c(uint64_t language)
{
	/* C89 C C99 C11 C17, assembly */
	return language == 0x01 || language == 0x02 || language == 0x0c || language == 0x1d || language == 0x2c ||
	       language == 0x8001;
}

static bool parse_root(struct unit *unit)
{
	struct cursor c = cursor_at(B.section[INFO], unit->offset + unit->first);
	const struct abbrev *abbrev;
	bool there;

	c.end = B.section[INFO].data + unit->offset + unit->size;
	unit->abbrevs = abbrevs_of(unit);
	if (!unit->abbrevs)
		return false;
	abbrev = take_abbrev(&c, unit);
	if (!abbrev)
		return !c.bad;
	take_entry(&c, unit, abbrev, &unit->root);
	if (c.bad)
		return false;
	unit->is_c = unit->root.slot[S_LANGUAGE].form && !unit->root.slot[S_LANGUAGE].block &&
		     is_c(unit->root.slot[S_LANGUAGE].number);
	unit->split = unit->root.slot[S_DWO].form;
	if (!address_of(unit, unit->root.slot[S_LOW_PC], &unit->low_pc, &there))
		return false;
	if (!there)
		unit->low_pc = 0;
	return text_of(unit, unit->root.slot[S_COMP_DIR], &unit->directory);
}

bool read_root(struct unit *unit)
{
	if (!unit->bad && !unit->abbrevs && !parse_root(unit))
		unit->bad = true;
	return !unit->bad;
}
