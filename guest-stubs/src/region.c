/* region.c - lays the region out: header, directory, sections. */
#include "internal.h"

struct uniobs_state uniobs_state;
static const uint8_t magic[16] = UNIOBS_MAGIC;

struct layout { uint8_t *base; uint64_t at; uint32_t sections; };

/* A ring's length: none, or a power of two within bounds. */
static int wrong_slots(uint32_t n)
{
	return n & (n - 1) || n > 1u << 24 || (n && n < 16);
}

static int wrong(const struct uniobs_config *c)
{
	return (UNIOBS_WITH_LOG && wrong_slots(c->log_slots)) || (UNIOBS_WITH_TRACE && wrong_slots(c->trace_slots)) ||
	       (UNIOBS_WITH_PACKETS && wrong_slots(c->packet_slots)) ||
	       (UNIOBS_WITH_PACKETS && c->packet_slots && (wrong_slots(c->packet_slot) || c->packet_slot < 64 || c->packet_slot > 1u << 16)) ||
	       c->events > UNIOBS_SLOT_ID_MASK - UNIOBS_EVENT_FIRST || c->panic_stack > PANIC_STACK_MAX ||
	       c->cpus > RINGS_MAX || c->image_id_len > sizeof ((struct uniobs_header *)0)->image_id;
}

/* The next section: its directory entry, its place. NULL when there is none, or when only sizes are asked for. */
static void *section(struct layout *l, uint32_t kind, uint32_t index, uint32_t head, uint32_t entry_size, uint32_t count)
{
	struct uniobs_section *entry;
	uint64_t at = (l->at + 63) & ~63ull;

	if (!count)
		return 0;
	l->at = at + head + (uint64_t)entry_size * count;
	if (!l->base)
		return 0;
	entry = (struct uniobs_section *)(l->base + UNIOBS_DIRECTORY_OFFSET) + l->sections++;
	entry->kind = kind, entry->index = index;
	entry->offset = at, entry->size = l->at - at;
	entry->entry_size = entry_size, entry->entry_count = count;
	return l->base + at;
}

/* Parts that were compiled out get no section. */
static void lay(struct layout *l, struct uniobs_state *s, const struct uniobs_config *c)
{
	const uint32_t ring = sizeof(struct uniobs_ring);
	uint32_t i;

	(void)ring, (void)i;
	l->at = 4096;
	s->strings_size = c->strings;
	s->strings = section(l, UNIOBS_SECTION_STRINGS, 0, 0, 1, c->strings > sizeof *s->strings ? c->strings : 0);
#define TABLE(KIND, field, rows, count) \
	(s->field = section(l, UNIOBS_SECTION_##KIND, 0, 0, sizeof *s->field, s->rows = (count)))
	TABLE(COUNTERS, counters, counter_rows, c->counters);
	TABLE(THREADS, threads, thread_rows, c->threads);
#if UNIOBS_WITH_TRACE
	TABLE(EVENTS, events, event_rows, c->events ? c->events + UNIOBS_EVENT_FIRST : 0);
#endif
#if UNIOBS_WITH_LOCKS
	TABLE(LOCKS, locks, lock_rows, c->locks);
#endif
#if UNIOBS_WITH_SOCKETS
	TABLE(SOCKETS, sockets, socket_rows, c->sockets);
	TABLE(IFACES, ifaces, iface_rows, c->ifaces);
#endif
#if UNIOBS_WITH_SITES
	s->heap = section(l, UNIOBS_SECTION_HEAP, 0, 0, sizeof *s->heap, 1);
	TABLE(SITES, sites, site_rows, c->sites);
#endif
#undef TABLE
#if UNIOBS_WITH_LOG
	s->log_mask = c->log_slots - 1;
	s->log = section(l, UNIOBS_SECTION_LOG, 0, ring, sizeof(struct uniobs_slot), c->log_slots);
#endif
#if UNIOBS_WITH_TRACE
	s->trace_mask = c->trace_slots - 1;
	s->trace_stride = ring + (uint64_t)c->trace_slots * sizeof(struct uniobs_slot);
	s->trace_rings = c->trace_slots ? c->cpus : 0;
	for (i = 0; i < s->trace_rings; i++) {
		uint8_t *at = section(l, UNIOBS_SECTION_TRACE, i, ring, sizeof(struct uniobs_slot), c->trace_slots);

		if (!i)
			s->trace = at;
	}
#endif
#if UNIOBS_WITH_PACKETS
	s->packet_mask = c->packet_slots - 1, s->packet_slot = c->packet_slot;
	s->packets = section(l, UNIOBS_SECTION_PACKETS, 0, ring, c->packet_slot, c->packet_slots);
#endif
#if UNIOBS_WITH_PANIC
	s->panic_stack = c->panic_stack;
	s->panic = section(l, UNIOBS_SECTION_PANIC, 0, 0, sizeof *s->panic + c->panic_stack, 1);
#endif
	l->at = (l->at + 4095) & ~4095ull;
}

uint64_t uniobs_size(const struct uniobs_config *cfg)
{
	struct uniobs_state unused;
	struct layout l = { 0, 0, 0 };

	if (wrong(cfg))
		return 0;
	lay(&l, &unused, cfg);
	return l.at;
}

/* Over the header as it reads once the magic is there, and the directory. */
static uint32_t header_crc(const struct uniobs_header *h)
{
	uint32_t crc = uniobs_crc32(0, magic, sizeof magic);

	crc = uniobs_crc32(crc, (const uint8_t *)h + sizeof magic, offsetof(struct uniobs_header, crc) - sizeof magic);
	return uniobs_crc32(crc, (const uint8_t *)h + UNIOBS_DIRECTORY_OFFSET, h->section_count * sizeof(struct uniobs_section));
}

/* The rest is zero, as the memory is. */
static void fill_header(struct uniobs_header *h, const struct uniobs_config *c)
{
	h->major = UNIOBS_MAJOR, h->minor = UNIOBS_MINOR;
	h->header_size = sizeof *h;
	h->self_pa = c->pa, h->self_va = (uintptr_t)c->memory;
	h->cpu_count = c->cpus;
	h->tsc_khz = c->tsc_khz, h->anchor_tsc = c->anchor_tsc, h->anchor_wall_ns = c->anchor_wall_ns;
#if defined __x86_64__
	h->arch = 62;  /* as in ELF's e_machine */
#elif defined __aarch64__
	h->arch = 183;
#endif
	h->flags = c->flags, h->os_pid = c->os_pid;
	uniobs_copy(h->boot_id, c->boot_id, sizeof h->boot_id);
	if (c->image_id)
		uniobs_copy(h->image_id, c->image_id, h->image_id_len = c->image_id_len);
	h->image_bias = c->image_bias;
	uniobs_text(h->kernel, sizeof h->kernel, c->kernel);
	uniobs_text(h->app, sizeof h->app, c->app);
	uniobs_copy(h->switch_regs, c->switch_regs, sizeof h->switch_regs);
	h->switch_size = c->switch_size;
}

int uniobs_init(const struct uniobs_config *cfg)
{
	struct uniobs_state *s = &uniobs_state;
	struct layout l = { cfg->memory, 0, 0 };
	struct uniobs_header *h = cfg->memory;
	uint64_t size = uniobs_size(cfg);

	if (!size || !h || ((uintptr_t)h | cfg->pa) & 4095 || s->base)
		return UNIOBS_EINVAL;
	if (cfg->size < size)
		return UNIOBS_ENOMEM;
	s->live = (void *)(l.base + UNIOBS_LIVE_OFFSET);
	lay(&l, s, cfg);
	s->base = l.base, s->size = size;
	if (s->strings)
		s->strings->used = sizeof *s->strings;
#if UNIOBS_WITH_TRACE
	uniobs_gate.rows = s->events, uniobs_gate.count = s->event_rows;
	if (s->events) {
		static const struct uniobs_arg_def args[] = { { UNIOBS_ARG_TID, 0, "prev" }, { UNIOBS_ARG_TID, 1, "next" } };

		s->event_used = UNIOBS_EVENT_SWITCH;
		uniobs_event("sched_switch", UNIOBS_PHASE_INSTANT, UNIOBS_CATEGORY_SCHED, 0, args, 2);
		s->event_used = UNIOBS_EVENT_FIRST;
	}
#endif
	s->live->state = UNIOBS_STATE_RUNNING;
	uniobs_live_seal();
	fill_header(h, cfg);
	h->size = size, h->section_count = l.sections;
	h->crc = header_crc(h);
	uniobs_order();
	uniobs_copy(h->magic, magic, sizeof magic);
	return 0;
}

void *uniobs_region(uint64_t *size)
{
	if (size)
		*size = uniobs_state.size;
	return uniobs_state.base;
}

void uniobs_set_state(uint32_t state, int32_t exit_code)
{
	struct uniobs_header_live *live = uniobs_state.live;
	uint64_t guard;

	if (!live)
		return;
	UNIOBS_ENTER(guard);
	live->exit_code = exit_code;
	live->state = state;
	uniobs_live_seal();
	UNIOBS_EXIT(guard);
}

void uniobs_set_clock(uint32_t tsc_khz, uint64_t anchor_tsc, uint64_t anchor_wall_ns)
{
	struct uniobs_header *h = (void *)uniobs_state.base;
	uint64_t flags;

	if (!h)
		return;
	UNIOBS_ENTER(flags);
	h->tsc_khz = tsc_khz, h->anchor_tsc = anchor_tsc, h->anchor_wall_ns = anchor_wall_ns;
	h->crc = header_crc(h);
	UNIOBS_EXIT(flags);
}
