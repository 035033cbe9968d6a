/* sites.c - live and total bytes by call site, the kernel's own count of them. */
#include "internal.h"

#define SITES 256u

static struct site { uint64_t pc, live_bytes, live_count, total_bytes, total_count; } sites[SITES];

static struct site *site_of(uint64_t pc, bool make)
{
	for (unsigned i = 0; i < SITES; i++) {
		struct site *s = &sites[(pc / 4 + i) % SITES];

		if (s->pc == pc)
			return s;
		if (s->pc == 0) {
			if (make)
				s->pc = pc;
			return make ? s : NULL;
		}
	}
	return NULL;
}

void site_alloc(uint64_t pc, uint64_t bytes)
{
	struct site *s = site_of(pc, true);

	if (s == NULL)
		return;
	s->live_bytes += bytes;
	s->live_count++;
	s->total_bytes += bytes;
	s->total_count++;
}

void site_free(uint64_t pc, uint64_t bytes)
{
	struct site *s = site_of(pc, false);

	if (s == NULL)
		return;
	s->live_bytes -= bytes;
	s->live_count--;
}

void sites_dump(void)
{
	for (unsigned i = 0; i < SITES; i++) {
		if (sites[i].pc == 0)
			continue;
		dump_begin("sites");
		dump_hex("pc", sites[i].pc);
		dump_u64("live_bytes", sites[i].live_bytes);
		dump_u64("live_count", sites[i].live_count);
		dump_u64("total_bytes", sites[i].total_bytes);
		dump_u64("total_count", sites[i].total_count);
		dump_end();
	}
}
