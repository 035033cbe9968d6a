/* builder.h - what the parts of symbol-index share. One file in, one index out; an error ends the process.
 *
 * What can't be read of one unit makes the unit `bad`: its addresses are marked, and whoever reads the
 * index asks another reader about them. See ../index/format.py for the bytes that are written.
 */
#ifndef UNIOBS_INDEX_BUILDER_H
#define UNIOBS_INDEX_BUILDER_H

#include "cursor.h"

enum section { INFO, ABBREV, LINE, STR, LINE_STR, ADDR, STR_OFFSETS, RANGES, RNGLISTS, ARANGES, SECTIONS };
enum { EXIT_USAGE = 2, EXIT_MEMORY = 3, EXIT_WORK = 4, EXIT_DWARF = 5, EXIT_WRITE = 6 };
enum { RANGES_MAX = 1 << 16 }; /* of one entry */
enum { NODE_NONE, NODE_ASK, NODE_NAMELESS, NODES_FIXED }; /* not in a unit; ask elsewhere; in no function */
#define NOTHING UINT32_MAX

/* --- an array that grows -------------------------------------------------------------------------- */
#define LIST(type)               \
	struct {                 \
		type *item;      \
		size_t count;    \
		size_t capacity; \
	}
void *grown(void *items, size_t *capacity, size_t count, size_t size);
#define ADD(list, ...)                                                                                     \
	do {                                                                                               \
		if ((list).count == (list).capacity)                                                       \
			(list).item = grown((list).item, &(list).capacity, (list).count, sizeof(*(list).item)); \
		(list).item[(list).count++] = (__VA_ARGS__);                                               \
	} while (0)

void *need(size_t count, size_t size); /* zeroed */
extern const char *partial; /* the name of what is being written; it doesn't outlive a failure */
_Noreturn void leave(int code, const char *why);
void work(uint64_t steps); /* leaves when the whole takes more than its input justifies */
void work_limit(uint64_t steps);

/* --- units and their entries ----------------------------------------------------------------------- */
struct sizes {
	uint8_t version, address, offset;
};

enum slot {
	S_NONE, S_SIBLING, S_NAME, S_STMT_LIST, S_LOW_PC, S_HIGH_PC, S_LANGUAGE, S_COMP_DIR, S_ORIGIN,
	S_SPECIFICATION, S_RANGES, S_CALL_FILE, S_CALL_LINE, S_LINKAGE, S_STR_OFFSETS_BASE, S_ADDR_BASE,
	S_RNGLISTS_BASE, S_GNU_RANGES_BASE, S_GNU_ADDR_BASE, S_DWO, SLOTS
};

struct value {
	uint16_t form; /* 0: not there */
	bool block; /* it is no number */
	uint64_t number; /* of an inline string: its position in .debug_info */
};

struct entry {
	struct value slot[SLOTS];
};

struct spec {
	uint16_t form;
	uint8_t slot;
	int64_t constant;
};

struct abbrev {
	uint16_t tag;
	bool children, has_code, varies;
	uint32_t fixed; /* bytes of its attributes, unless it varies */
	uint32_t first, count, sibling; /* its specs; which of them is its sibling */
};

struct abbrevs {
	const struct builder *file;
	uint64_t offset;
	struct sizes sizes;
	bool bad;
	struct abbrev *by_code; /* count of them; tag 0: no such code */
	uint32_t count;
	struct spec *specs;
	struct abbrevs *next;
};

struct unit {
	uint64_t offset, size, abbrev_offset, signature;
	struct sizes sizes;
	uint8_t kind;
	bool has_code, bad, is_c, split, listed;
	uint32_t first; /* where its root entry is, from its start */
	const struct abbrevs *abbrevs;
	struct entry root;
	uint64_t low_pc;
	struct bytes directory;
};

struct range {
	uint64_t low, high;
};
typedef LIST(struct range) ranges_t;

struct builder {
	struct bytes section[SECTIONS];
	struct range *code;
	size_t code_count;
	LIST(struct unit) units;
};
extern struct builder files[2]; /* the image's, and what dwz moved out of it to share it with others */
extern struct builder *current;
#define B (*current)
#define SUPPLEMENT ((uint64_t)1 << 62) /* and an offset of the second one */

bool read_units(void); /* false: a unit's header is garbled, and where the next one is isn't known */
struct unit *unit_at(uint64_t offset); /* that starts there */
struct unit *unit_holding(uint64_t offset);
const struct abbrevs *abbrevs_of(const struct unit *unit);
bool read_root(struct unit *unit); /* false: it is bad */

bool form_known(uint16_t form);
struct value take_value(struct cursor *c, uint16_t form, struct sizes sizes);
void skip_value(struct cursor *c, uint16_t form, struct sizes sizes);
int form_size(uint16_t form, struct sizes sizes); /* -1: it varies */
const struct abbrev *take_abbrev(struct cursor *c, const struct unit *unit); /* 0: a null entry, or c->bad */
void take_entry(struct cursor *c, const struct unit *unit, const struct abbrev *abbrev, struct entry *entry);

/* These say false when the bytes are garbled; *there tells whether there was something to read. */
bool text_of(const struct unit *unit, struct value value, struct bytes *text);
bool address_of(const struct unit *unit, struct value value, uint64_t *address, bool *there);
bool indexed_address(const struct unit *unit, uint64_t index, uint64_t *address);
bool ranges_of(const struct unit *unit, const struct entry *entry, ranges_t *ranges);
bool reference_of(const struct unit *unit, struct value value, uint64_t *offset, bool *there);

/* --- intervals that may overlap, laid flat ---------------------------------------------------------- */
struct interval {
	uint64_t low, high;
	uint32_t number;
};
typedef LIST(struct interval) intervals_t;
struct piece {
	uint64_t start;
	uint32_t number; /* of the interval that holds from here on: the last in order; or NOTHING */
};
typedef LIST(struct piece) pieces_t;
void flatten(intervals_t *intervals, pieces_t *pieces);

/* --- what goes into the index ------------------------------------------------------------------------ */
struct node {
	uint32_t parent; /* 0: a function; file and line are then its first range and their count */
	uint32_t name, file, line;
};
struct name {
	uint32_t plain, linkage; /* texts; 0: unknown */
};
struct row {
	uint64_t address;
	uint32_t node, file, line;
};
typedef LIST(struct row) rows_t;

struct output {
	LIST(struct node) nodes;
	LIST(struct name) names;
	ranges_t ranges;
	LIST(uint8_t) strings;
	rows_t rows;
};
extern struct output OUT;

uint32_t text_id(struct bytes text);
uint32_t name_id(const struct unit *unit, uint64_t offset, bool *bad); /* of the function at an offset */

struct line_row {
	uint64_t address;
	uint32_t file, line; /* the file's number; NOTHING: no row holds from here on */
};
typedef LIST(struct line_row) line_rows_t;
struct line_table {
	struct bytes directory;
	LIST(struct bytes) directories;
	LIST(struct file { struct bytes name; uint64_t directory; uint32_t id; bool known; }) files;
	uint32_t first_file;
	line_rows_t rows; /* flat, ascending */
};
bool read_lines(const struct unit *unit, struct line_table *table);
bool take_files(struct cursor *c, struct sizes sizes, struct line_table *table); /* what its head lists */
uint32_t file_id(struct line_table *table, uint64_t number); /* of its path's text */
bool is_code(uint64_t address);

typedef LIST(struct piece) node_pieces_t;
/* Nodes by address, NOTHING between functions. */
bool read_functions(struct unit *unit, struct line_table *lines, pieces_t *pieces);

void read_all(void); /* fills OUT */
void write_index(int file, const char *key);

#endif
