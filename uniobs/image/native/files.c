/* files.c - the directories and files of a line table (DWARF 2 to 5), and their paths. */
#include "builder.h"
#include "forms.h"

#include <stdlib.h>

enum { LNCT_PATH = 1, LNCT_DIRECTORY = 2, FORMATS_MAX = 64 };

static bool take_path(struct cursor *c, uint16_t form, unsigned offset_size, struct bytes *text)
{
	enum section section = form == FORM_LINE_STRP ? LINE_STR : STR;
	struct cursor there;

	if (form == FORM_STRING) {
		*text = take_text(c);
		return !c->bad;
	}
	if (form != FORM_LINE_STRP && form != FORM_STRP)
		return false;
	there = cursor_at(B.section[section], take(c, offset_size));
	*text = take_text(&there);
	return !c->bad && !there.bad;
}

/* A DWARF 5 list of directories or files. */
static bool take_list(struct cursor *c, struct sizes sizes, struct line_table *table, bool directories)
{
	struct { uint64_t kind; uint16_t form; } formats[FORMATS_MAX];
	const uint8_t kinds = take_u8(c);
	uint64_t count;

	if (kinds > FORMATS_MAX)
		return false;
	for (unsigned i = 0; i < kinds; i++) {
		uint64_t form;

		formats[i].kind = take_uleb(c);
		form = take_uleb(c);
		if (form > UINT16_MAX || !form_known((uint16_t)form) || form == FORM_INDIRECT ||
		    form == FORM_IMPLICIT_CONST)
			return false;
		formats[i].form = (uint16_t)form;
	}
	count = take_uleb(c);
	if (c->bad || (count && !kinds) || count > left(c))
		return false;
	for (uint64_t n = 0; n < count; n++) {
		struct file file = { .name = { 0, 0 } };

		work(1);
		for (unsigned i = 0; i < kinds; i++) {
			if (formats[i].kind == LNCT_PATH) {
				if (!take_path(c, formats[i].form, sizes.offset, &file.name))
					return false;
			} else if (formats[i].kind == LNCT_DIRECTORY) {
				const struct value value = take_value(c, formats[i].form, sizes);

				file.directory = value.block ? 0 : value.number;
			} else {
				skip_value(c, formats[i].form, sizes);
			}
		}
		if (c->bad)
			return false;
		if (directories)
			ADD(table->directories, file.name);
		else
			ADD(table->files, file);
	}
	return true;
}

static bool take_old_lists(struct cursor *c, struct line_table *table)
{
	struct bytes text;

	ADD(table->directories, table->directory);
	while (text = take_text(c), text.size)
		ADD(table->directories, text);
	while (!c->bad && (text = take_text(c), text.size)) {
		struct file file = { .name = text };

		file.directory = take_uleb(c);
		take_uleb(c);
		take_uleb(c);
		ADD(table->files, file);
	}
	return !c->bad;
}

bool take_files(struct cursor *c, struct sizes sizes, struct line_table *table)
{
	table->first_file = sizes.version < 5;
	if (sizes.version < 5)
		return take_old_lists(c, table);
	return take_list(c, sizes, table, true) && take_list(c, sizes, table, false);
}

static void join(uint8_t *path, size_t *size, struct bytes part)
{
	if (part.size && part.data[0] == '/')
		*size = 0;
	else if (*size && path[*size - 1] != '/')
		path[(*size)++] = '/';
	if (part.size)
		memcpy(path + *size, part.data, part.size);
	*size += part.size;
}

uint32_t file_id(struct line_table *table, uint64_t number)
{
	const uint64_t index = number - table->first_file;
	struct bytes folder = { 0, 0 }, root = table->directory;
	struct file *file;
	uint8_t *path;
	size_t size = 0;

	if (number < table->first_file || index >= table->files.count)
		return 0;
	file = &table->files.item[index];
	if (file->known)
		return file->id;
	file->known = true;
	if (!file->name.size)
		return 0;
	if (file->directory < table->directories.count)
		folder = table->directories.item[file->directory];
	if (!root.size && table->directories.count)
		root = table->directories.item[0];
	path = need(root.size + folder.size + file->name.size + 4, 1);
	join(path, &size, root);
	join(path, &size, folder);
	join(path, &size, file->name);
	file->id = text_id((struct bytes){ path, size });
	free(path);
	return file->id;
}
