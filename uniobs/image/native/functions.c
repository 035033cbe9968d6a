/* functions.c - a unit's functions and what was inlined into them, as nodes by address. */
#include "builder.h"
#include "forms.h"

#include <stdlib.h>

enum { DEPTH_MAX = 400 };

struct call { /* an inlined one */
	uint32_t next, depth, first, count; /* of its function's calls; its ranges */
	uint64_t origin, file, line;
	bool named;
	uint32_t after; /* the first call of its function that isn't below it */
	uint32_t held; /* how many of its ranges hold the address at work */
	uint32_t node, parent;
};

struct function {
	uint64_t at;
	uint32_t first, count; /* its ranges, in OUT.ranges */
	uint32_t calls, last; /* NOTHING: none */
	uint32_t node, pieces, piece_count;
};

struct event {
	uint64_t at;
	uint32_t call;
	bool ends;
};

static LIST(struct call) calls;
static LIST(struct function) functions;
static LIST(struct call *) family; /* the calls of the function at work, each before those below it */
static LIST(struct event) events;
static LIST(uint32_t) active; /* ascending */
static pieces_t nodes; /* of all functions */
static ranges_t call_ranges, scratch;

static bool is_type(uint16_t tag)
{
	return tag == TAG_ARRAY || tag == TAG_CLASS || tag == TAG_ENUMERATION || tag == TAG_STRUCTURE ||
	       tag == TAG_SUBROUTINE_TYPE || tag == TAG_UNION;
}

static uint32_t start_function(struct unit *unit, const struct entry *entry, uint64_t at)
{
	struct function made = { .at = at, .calls = NOTHING, .last = NOTHING };

	scratch.count = 0;
	if (!ranges_of(unit, entry, &scratch)) {
		unit->bad = true;
		return NOTHING;
	}
	if (!scratch.count)
		return NOTHING;
	made.first = (uint32_t)OUT.ranges.count;
	made.count = (uint32_t)scratch.count;
	for (size_t i = 0; i < scratch.count; i++)
		ADD(OUT.ranges, scratch.item[i]);
	ADD(functions, made);
	return (uint32_t)functions.count - 1;
}

static void add_call(struct unit *unit, uint32_t owner, const struct entry *entry, uint32_t depth)
{
	struct call call = { .next = NOTHING, .depth = depth };
	const struct value *file = &entry->slot[S_CALL_FILE], *line = &entry->slot[S_CALL_LINE];
	struct function *function = &functions.item[owner];

	scratch.count = 0;
	call.file = file->block ? 0 : file->number;
	call.line = line->block ? 0 : line->number;
	if (!ranges_of(unit, entry, &scratch) || call.line >= NOTHING ||
	    !reference_of(unit, entry->slot[S_ORIGIN], &call.origin, &call.named)) {
		unit->bad = true;
		return;
	}
	call.first = (uint32_t)call_ranges.count;
	call.count = (uint32_t)scratch.count;
	for (size_t i = 0; i < scratch.count; i++)
		ADD(call_ranges, scratch.item[i]);
	ADD(calls, call);
	if (function->calls == NOTHING)
		function->calls = (uint32_t)calls.count - 1;
	else
		calls.item[function->last].next = (uint32_t)calls.count - 1;
	function->last = (uint32_t)calls.count - 1;
}

/* Where an entry's next sibling is; 0 when that can't be. */
static const uint8_t *sibling(struct cursor c, const struct unit *unit, const struct abbrev *abbrev)
{
	const struct spec *spec = unit->abbrevs->specs + abbrev->first;
	const uint8_t *start = c.at;
	struct value value;
	uint64_t at;

	for (uint32_t i = 0; i < abbrev->sibling; i++, spec++)
		skip_value(&c, spec->form, unit->sizes);
	value = take_value(&c, spec->form, unit->sizes);
	at = value.number - (value.form == FORM_REF_ADDR ? unit->offset : 0);
	if (c.bad || value.block || at > unit->size)
		return 0;
	at += unit->offset;
	return B.section[INFO].data + at > start ? B.section[INFO].data + at : 0;
}

static bool only_padding(struct cursor *c)
{
	while (c->at < c->end)
		if (*c->at++)
			return false;
	return true;
}

static bool walk(struct unit *unit, struct cursor *c)
{
	static uint32_t owners[DEPTH_MAX]; /* by depth: the function that the entries there belong to */
	uint32_t depth = 0;

	owners[0] = NOTHING;
	while (c->at < c->end && !unit->bad) {
		const uint64_t at = (uint64_t)(c->at - B.section[INFO].data);
		const struct abbrev *abbrev = take_abbrev(c, unit);
		uint32_t owner = owners[depth];
		struct entry entry;

		work(1);
		if (!abbrev) {
			if (c->bad)
				return false;
			if (!depth--)
				return only_padding(c); /* an end too early: something before was misread */
			continue;
		}
		if (abbrev->children && abbrev->sibling != NOTHING &&
		    ((unit->is_c && is_type(abbrev->tag)) || abbrev->tag == TAG_CALL_SITE ||
		     abbrev->tag == TAG_GNU_CALL_SITE)) {
			c->at = sibling(*c, unit, abbrev); /* no code lies below */
			if (!c->at)
				return false;
			continue;
		}
		if (abbrev->tag == TAG_SUBPROGRAM) {
			owner = NOTHING;
			if (abbrev->has_code) {
				take_entry(c, unit, abbrev, &entry);
				if (c->bad)
					return false;
				owner = start_function(unit, &entry, at);
			}
		} else if (abbrev->tag == TAG_INLINED && owner != NOTHING) {
			take_entry(c, unit, abbrev, &entry);
			if (c->bad)
				return false;
			add_call(unit, owner, &entry, depth);
		}
		if (!(abbrev->tag == TAG_SUBPROGRAM && abbrev->has_code) &&
		    !(abbrev->tag == TAG_INLINED && owner != NOTHING)) {
			if (!abbrev->varies) {
				skip(c, abbrev->fixed);
			} else {
				const struct spec *spec = unit->abbrevs->specs + abbrev->first;

				for (uint32_t i = 0; i < abbrev->count; i++, spec++)
					skip_value(c, spec->form, unit->sizes);
			}
			if (c->bad)
				return false;
		}
		if (abbrev->children) {
			if (++depth == DEPTH_MAX)
				return false;
			owners[depth] = owner;
		}
	}
	return !unit->bad;
}

static int by_address(const void *left, const void *right)
{
	const struct event *a = left, *b = right;

	return (a->at > b->at) - (a->at < b->at);
}

static void hold(uint32_t index)
{
	size_t at = active.count;

	if (family.item[index]->held++)
		return;
	ADD(active, index);
	for (; at && active.item[at - 1] > index; at--)
		active.item[at] = active.item[at - 1];
	active.item[at] = index;
	work(active.count - at);
}

static void release(uint32_t index)
{
	size_t at = 0;

	if (--family.item[index]->held)
		return;
	while (active.item[at] != index)
		at++;
	work(active.count);
	memmove(active.item + at, active.item + at + 1, (--active.count - at) * sizeof(*active.item));
}

static uint32_t node_of(struct unit *unit, struct line_table *lines, struct call *call, uint32_t parent)
{
	struct node node = { .parent = parent, .line = (uint32_t)call->line };

	if (call->parent == parent)
		return call->node;
	if (call->named)
		node.name = name_id(unit, call->origin, &unit->bad);
	if (lines)
		node.file = file_id(lines, call->file);
	call->parent = parent;
	call->node = (uint32_t)OUT.nodes.count;
	ADD(OUT.nodes, node);
	return call->node;
}

/* The innermost node at the address at work: from the function down through the calls that hold it. */
static uint32_t innermost(struct unit *unit, struct line_table *lines, uint32_t node)
{
	uint32_t end = NOTHING;

	for (size_t i = 0; i < active.count && active.item[i] < end; i++) {
		struct call *call = family.item[active.item[i]];

		node = node_of(unit, lines, call, node);
		end = call->after;
	}
	work(active.count);
	return node;
}

static void gather(const struct function *function)
{
	static LIST(uint32_t) open;

	family.count = events.count = active.count = open.count = 0;
	for (uint32_t at = function->calls; at != NOTHING; at = calls.item[at].next)
		ADD(family, &calls.item[at]);
	for (size_t i = 0; i < family.count; i++) {
		struct call *call = family.item[i];

		while (open.count && family.item[open.item[open.count - 1]]->depth >= call->depth)
			family.item[open.item[--open.count]]->after = (uint32_t)i;
		ADD(open, (uint32_t)i);
		for (uint32_t n = 0; n < call->count; n++) {
			ADD(events, (struct event){ call_ranges.item[call->first + n].low, (uint32_t)i, false });
			ADD(events, (struct event){ call_ranges.item[call->first + n].high, (uint32_t)i, true });
		}
	}
	while (open.count)
		family.item[open.item[--open.count]]->after = (uint32_t)family.count;
	if (events.count)
		qsort(events.item, events.count, sizeof(*events.item), by_address);
	work(events.count);
}

static void lay_out(struct unit *unit, struct line_table *lines, struct function *function)
{
	struct node node = { .file = function->first, .line = function->count };

	node.name = name_id(unit, function->at, &unit->bad);
	function->node = (uint32_t)OUT.nodes.count;
	function->pieces = (uint32_t)nodes.count;
	ADD(OUT.nodes, node);
	ADD(nodes, (struct piece){ 0, function->node });
	gather(function);
	for (size_t i = 0; i < events.count && !unit->bad;) {
		const uint64_t at = events.item[i].at;
		struct piece piece = { .start = at };

		/* what starts before what ends: a call's ranges may touch */
		for (size_t n = i; n < events.count && events.item[n].at == at; n++)
			if (!events.item[n].ends)
				hold(events.item[n].call);
		for (; i < events.count && events.item[i].at == at; i++)
			if (events.item[i].ends)
				release(events.item[i].call);
		piece.number = innermost(unit, lines, function->node);
		ADD(nodes, piece);
	}
	function->piece_count = (uint32_t)nodes.count - function->pieces;
}

static void add_piece(pieces_t *pieces, uint64_t start, uint32_t number)
{
	if (pieces->count && pieces->item[pieces->count - 1].start == start)
		pieces->item[pieces->count - 1].number = number;
	else
		ADD(*pieces, (struct piece){ start, number });
}

/* Of the function's pieces, what lies in [low, high). */
static void cut_out(const struct function *function, uint64_t low, uint64_t high, pieces_t *pieces)
{
	const struct piece *item = nodes.item + function->pieces;
	size_t first = 0, last = function->piece_count;

	while (last - first > 1) {
		const size_t middle = first + (last - first) / 2;

		if (item[middle].start <= low)
			first = middle;
		else
			last = middle;
	}
	add_piece(pieces, low, item[first].number);
	for (first++; first < function->piece_count && item[first].start < high; first++)
		add_piece(pieces, item[first].start, item[first].number);
}

bool read_functions(struct unit *unit, struct line_table *lines, pieces_t *pieces)
{
	static intervals_t intervals;
	static pieces_t flat;
	struct cursor c = cursor_at(B.section[INFO], unit->offset + unit->first);
	const struct abbrev *root;
	struct entry entry;

	calls.count = functions.count = nodes.count = call_ranges.count = intervals.count = pieces->count = 0;
	c.end = B.section[INFO].data + unit->offset + unit->size;
	root = take_abbrev(&c, unit);
	if (!root || !root->children)
		return !c.bad;
	take_entry(&c, unit, root, &entry);
	if (c.bad || !walk(unit, &c))
		return false;
	for (size_t i = 0; i < functions.count && !unit->bad; i++) {
		struct function *function = &functions.item[i];

		lay_out(unit, lines, function);
		for (uint32_t n = 0; n < function->count; n++)
			ADD(intervals, (struct interval){ OUT.ranges.item[function->first + n].low,
							  OUT.ranges.item[function->first + n].high, (uint32_t)i });
	}
	flatten(&intervals, &flat);
	for (size_t i = 0; i < flat.count && !unit->bad; i++) {
		const struct piece piece = flat.item[i];

		if (piece.number == NOTHING)
			add_piece(pieces, piece.start, NOTHING);
		else
			cut_out(&functions.item[piece.number], piece.start,
				i + 1 < flat.count ? flat.item[i + 1].start : UINT64_MAX, pieces);
	}
	return !unit->bad;
}
