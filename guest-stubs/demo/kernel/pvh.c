/* pvh.c - the boot protocol's start_info: command line and memory map. */
#include "internal.h"

struct start_info {
	uint32_t magic, version, flags, modules;
	uint64_t modlist, cmdline, rsdp;
	uint64_t memmap;
	uint32_t memmap_entries, reserved;
};
struct memmap_entry { uint64_t addr, size; uint32_t type, reserved; };
#define START_MAGIC 0x336ec578u
#define MEMMAP_RAM 1u

struct memory_range ram[RANGES_MAX];
unsigned ram_count;
static char line[1024];

void pvh_read(uint64_t address)
{
	const struct start_info *info = (const struct start_info *)address;
	const struct memmap_entry *map;

	if (info->magic != START_MAGIC || info->version < 1)
		return;
	if (info->cmdline != 0)
		strlcpy(line, (const char *)info->cmdline, sizeof(line));
	map = (const struct memmap_entry *)info->memmap;
	for (uint32_t i = 0; i < info->memmap_entries && ram_count < RANGES_MAX; i++) {
		if (map[i].type != MEMMAP_RAM)
			continue;
		ram[ram_count].start = (map[i].addr + PAGE - 1) & ~(PAGE - 1);
		ram[ram_count].end = (map[i].addr + map[i].size) & ~(PAGE - 1);
		if (ram[ram_count].end > ram[ram_count].start)
			ram_count++;
	}
}

uint64_t ram_top(void)
{
	uint64_t top = 0;

	for (unsigned i = 0; i < ram_count; i++)
		if (ram[i].end <= 1ull << 32 && ram[i].end > top)
			top = ram[i].end;
	return top;
}

const char *cmdline(void)
{
	return line;
}

const char *cmdline_option(const char *name)
{
	static char value[128];
	size_t n = strlen(name);

	for (const char *p = line; *p != '\0';) {
		const char *end;
		size_t len;

		while (*p == ' ')
			p++;
		for (end = p; *end != '\0' && *end != ' ';)
			end++;
		if (strncmp(p, name, n) == 0 && p[n] == '=') {
			len = (size_t)(end - p) - n - 1;
			if (len >= sizeof(value))
				len = sizeof(value) - 1;
			memcpy(value, p + n + 1, len);
			value[len] = '\0';
			return value;
		}
		p = end;
	}
	return NULL;
}
