/* symbol-index - turns the DWARF of one image into an index by address.
 *
 * symbol-index OUT KEY PARTIAL FINAL NAME:FILE:OFFSET:SIZE... code:LOW:HIGH...
 * A NAME is that of a section, without .debug_; after "sup_" it is of the file that dwz made beside this one.
 * OUT and FILE are numbers of open files. OUT's name is PARTIAL: it becomes FINAL when all is well, and goes
 * otherwise; both are empty where it has none. It runs apart from uniobs so that debug information that nobody
 * foresaw can end this process only; its limits are its own.
 */
#include "builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

struct builder files[2];
struct builder *current = files;
struct output OUT;

static const char *const names[SECTIONS] = {
	[INFO] = "info", [ABBREV] = "abbrev", [LINE] = "line", [STR] = "str", [LINE_STR] = "line_str",
	[ADDR] = "addr", [STR_OFFSETS] = "str_offsets", [RANGES] = "ranges", [RNGLISTS] = "rnglists",
	[ARANGES] = "aranges",
};

static void limit(int what, rlim_t most)
{
	struct rlimit now;

	if (getrlimit(what, &now))
		return;
	if (now.rlim_max < most)
		most = now.rlim_max;
	now.rlim_cur = now.rlim_max = most;
	setrlimit(what, &now);
}

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

static void limits(void)
{
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_CPU, 60);
	limit(RLIMIT_FSIZE, (rlim_t)1 << 30);
#ifndef SANITIZED /* which maps terabytes */
	limit(RLIMIT_AS, (rlim_t)6 << 30);
	limit(RLIMIT_DATA, (rlim_t)2 << 30);
#endif
}

static uint64_t number(const char **text)
{
	char *end;
	const uint64_t value = strtoull(*text, &end, 10);

	if (end == *text || (*end && *end != ':'))
		leave(EXIT_USAGE, "not a number");
	*text = *end ? end + 1 : end;
	return value;
}

static struct bytes mapped(int file, uint64_t offset, uint64_t size)
{
	struct stat status;
	uint8_t *data;

	if (fstat(file, &status) || status.st_size < 0 || offset > (uint64_t)status.st_size ||
	    size > (uint64_t)status.st_size - offset)
		leave(EXIT_USAGE, "a section lies beyond its file");
	if (!size)
		return (struct bytes){ 0, 0 };
	data = mmap(0, (size_t)(offset % 4096 + size), PROT_READ, MAP_PRIVATE, file, (off_t)(offset & ~4095ull));
	if (data == MAP_FAILED)
		leave(EXIT_MEMORY, "a section can't be mapped");
	return (struct bytes){ data + offset % 4096, (size_t)size };
}

static void read_argument(const char *text, ranges_t *code)
{
	const bool shared = !strncmp(text, "sup_", 4);
	const char *colon = strchr(text += shared ? 4 : 0, ':');
	const size_t length = colon ? (size_t)(colon - text) : 0;
	const char *rest = text + length + 1;

	if (length == 4 && !memcmp(text, "code", 4)) {
		struct range range;

		range.low = number(&rest);
		range.high = number(&rest);
		ADD(*code, range);
		return;
	}
	for (int i = 0; length && i < SECTIONS; i++)
		if (strlen(names[i]) == length && !memcmp(text, names[i], length)) {
			const int file = (int)number(&rest);
			const uint64_t offset = number(&rest);

			files[shared].section[i] = mapped(file, offset, number(&rest));
			return;
		}
	leave(EXIT_USAGE, "an unknown section");
}

int main(int argc, char **argv)
{
	ranges_t code = { 0 };
	uint64_t total = 0;
	const char *out;

	limits();
	if (argc < 5)
		leave(EXIT_USAGE, "OUT KEY PARTIAL FINAL NAME:FILE:OFFSET:SIZE... code:LOW:HIGH...");
	out = argv[1];
	partial = argv[3];
	for (int i = 5; i < argc; i++)
		read_argument(argv[i], &code);
	B.code = code.item;
	B.code_count = code.count;
	for (int i = 0; i < SECTIONS; i++)
		total += files[0].section[i].size + files[1].section[i].size;
	work_limit((1u << 24) + 32 * total);
	read_all();
	write_index((int)number(&out), argv[2]);
	if (*partial && rename(partial, argv[4]))
		leave(EXIT_WRITE, "the index can't be given its name");
	return 0; /* memory and files go with the process */
}
