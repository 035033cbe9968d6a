/* names.c - texts, each kept once, and the names of functions through their origins. */
#include "builder.h"

#include <stdlib.h>

struct table {
	uint64_t *keys; /* of texts: the hash; of names: the offset + 1; 0: free */
	uint32_t *ids;
	size_t size, used; /* size is a power of two */
};

static struct table texts, names;

static uint64_t mixed(uint64_t value)
{
	value = (value ^ value >> 32) * 0x9e3779b97f4a7c15u;
	return value ^ value >> 29;
}

static uint64_t hash_of(struct bytes text)
{
	uint64_t hash = text.size;
	size_t at = 0;

	for (; at + 8 <= text.size; at += 8) {
		uint64_t word;

		memcpy(&word, text.data + at, 8);
		hash = mixed(hash + word);
	}
	for (; at < text.size; at++)
		hash = hash * 257 + text.data[at];
	hash = mixed(hash);
	return hash ? hash : 1;
}

static void enlarge(struct table *table)
{
	const struct table old = *table;

	table->size = old.size ? 2 * old.size : 4096;
	table->keys = need(table->size, sizeof(*table->keys));
	table->ids = need(table->size, sizeof(*table->ids));
	for (size_t i = 0; i < old.size; i++) {
		size_t at = mixed(old.keys[i]) & (table->size - 1);

		if (!old.keys[i])
			continue;
		while (table->keys[at])
			at = (at + 1) & (table->size - 1);
		table->keys[at] = old.keys[i];
		table->ids[at] = old.ids[i];
	}
	free(old.keys);
	free(old.ids);
}

static void remember(struct table *table, size_t at, uint64_t key, uint32_t id)
{
	table->keys[at] = key;
	table->ids[at] = id;
	table->used++;
}

static void add_bytes(const void *from, size_t size)
{
	while (OUT.strings.capacity - OUT.strings.count < size)
		OUT.strings.item = grown(OUT.strings.item, &OUT.strings.capacity, OUT.strings.capacity, 1);
	if (size)
		memcpy(OUT.strings.item + OUT.strings.count, from, size);
	OUT.strings.count += size;
}

uint32_t text_id(struct bytes text)
{
	const uint32_t length = (uint32_t)text.size;
	const uint64_t hash = hash_of(text);
	size_t at;

	if (!text.size)
		return 0;
	if (!OUT.strings.count)
		add_bytes("\0\0\0", 4);
	if (4 * texts.used >= 3 * texts.size)
		enlarge(&texts);
	for (at = mixed(hash) & (texts.size - 1); texts.keys[at]; at = (at + 1) & (texts.size - 1)) {
		const uint8_t *known = OUT.strings.item + texts.ids[at];

		if (texts.keys[at] == hash && !memcmp(known, &length, 4) && !memcmp(known + 4, text.data, length))
			return texts.ids[at];
	}
	remember(&texts, at, hash, (uint32_t)OUT.strings.count);
	add_bytes(&length, 4);
	add_bytes(text.data, text.size);
	return texts.ids[at];
}

static bool find_name(const struct unit *unit, uint64_t offset, struct name *name);

static bool find_in_supplement(uint64_t offset, struct name *name)
{
	bool found;

	if (current != files || !files[1].units.count)
		return false; /* it isn't there: others say so */
	current = &files[1];
	found = find_name(0, offset, name);
	current = files;
	return found;
}

/* `unit` is where the entry most likely lies, if that is known. */
static bool find_name(const struct unit *unit, uint64_t offset, struct name *name)
{
	for (int hop = 0; hop < 8; hop++) {
		const struct abbrev *abbrev;
		struct entry entry;
		struct bytes plain, linkage;
		struct value origin;
		struct cursor c;
		bool there;

		if (offset >= SUPPLEMENT)
			return find_in_supplement(offset - SUPPLEMENT, name);
		if (!unit || offset < unit->offset || offset - unit->offset >= unit->size) {
			struct unit *other = unit_holding(offset);

			if (!other)
				return true;
			if (!read_root(other))
				return false;
			unit = other;
		}
		c = cursor_at(B.section[INFO], offset);
		c.end = B.section[INFO].data + unit->offset + unit->size;
		abbrev = take_abbrev(&c, unit);
		if (!abbrev)
			return !c.bad;
		take_entry(&c, unit, abbrev, &entry);
		if (c.bad || !text_of(unit, entry.slot[S_NAME], &plain) ||
		    !text_of(unit, entry.slot[S_LINKAGE], &linkage))
			return false;
		if (!name->plain)
			name->plain = text_id(plain);
		if (!name->linkage)
			name->linkage = text_id(linkage);
		origin = entry.slot[entry.slot[S_ORIGIN].form ? S_ORIGIN : S_SPECIFICATION];
		if (!reference_of(unit, origin, &offset, &there))
			return false;
		if (!there)
			return true;
		work(1);
	}
	return true;
}

uint32_t name_id(const struct unit *unit, uint64_t offset, bool *bad)
{
	struct name name = { 0, 0 };
	size_t at;

	if (4 * names.used >= 3 * names.size)
		enlarge(&names);
	for (at = mixed(offset + 1) & (names.size - 1); names.keys[at]; at = (at + 1) & (names.size - 1))
		if (names.keys[at] == offset + 1)
			return names.ids[at];
	if (offset == UINT64_MAX || !find_name(unit, offset, &name)) {
		*bad = true;
		return 0;
	}
	if (!name.plain && !name.linkage)
		return 0;
	remember(&names, at, offset + 1, (uint32_t)OUT.names.count);
	ADD(OUT.names, name);
	return (uint32_t)OUT.names.count - 1;
}
