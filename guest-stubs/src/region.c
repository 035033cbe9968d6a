/* region.c - lays the region out: header, directory, sections. */
#include "internal.h"

struct uniobs_state uniobs_state;

struct plan { uint32_t kind, index, entry_size, entry_count; uint64_t head; };

static int power_of_two(uint32_t n)
{
	return n && !(n & (n - 1));
}

/* The sections that cfg asks for; how many, or 0 when cfg is wrong. Parts that were compiled out have none. */
static uint32_t plan(const struct uniobs_config *c, struct plan out[SECTIONS_MAX])
{
	const uint32_t ring = sizeof(struct uniobs_ring);
	uint32_t n = 0, i;

	if ((c->log_slots && !power_of_two(c->log_slots)) || (c->trace_slots && !power_of_two(c->trace_slots)) ||
	    (c->packet_slots && (!power_of_two(c->packet_slots) || !power_of_two(c->packet_slot) || c->packet_slot < 64)) ||
	    (c->log_slots && c->log_slots < 16) || (c->trace_slots && c->trace_slots < 16) ||
	    c->log_slots > 1u << 24 || c->trace_slots > 1u << 24 || c->packet_slots > 1u << 24 || c->packet_slot > 1u << 16 ||
	    c->events > UNIOBS_SLOT_ID_MASK - UNIOBS_EVENT_FIRST || c->panic_stack > PANIC_STACK_MAX ||
	    c->cpus > SECTIONS_MAX - UNIOBS_SECTION_PANIC || c->image_id_len > 20)
		return 0;
#define SECTION(kind, index, size, count, head) \
	do { if (count) out[n++] = (struct plan){ UNIOBS_SECTION_##kind, index, size, count, head }; } while (0)
	SECTION(STRINGS, 0, 1, c->strings > 8 ? c->strings : 0, 0);
#if UNIOBS_WITH_TRACE
	SECTION(EVENTS, 0, sizeof(struct uniobs_event), c->events ? c->events + UNIOBS_EVENT_FIRST : 0, 0);
#endif
	SECTION(COUNTERS, 0, sizeof(struct uniobs_counter), c->counters, 0);
	SECTION(THREADS, 0, sizeof(struct uniobs_thread), c->threads, 0);
#if UNIOBS_WITH_LOCKS
	SECTION(LOCKS, 0, sizeof(struct uniobs_lock), c->locks, 0);
#endif
#if UNIOBS_WITH_SOCKETS
	SECTION(SOCKETS, 0, sizeof(struct uniobs_socket), c->sockets, 0);
	SECTION(IFACES, 0, sizeof(struct uniobs_iface), c->ifaces, 0);
#endif
#if UNIOBS_WITH_SITES
	SECTION(HEAP, 0, sizeof(struct uniobs_heap), 1, 0);
	SECTION(SITES, 0, sizeof(struct uniobs_site), c->sites, 0);
#endif
#if UNIOBS_WITH_LOG
	SECTION(LOG, 0, sizeof(struct uniobs_slot), c->log_slots, ring);
#endif
#if UNIOBS_WITH_TRACE
	for (i = 0; i < c->cpus; i++)
		SECTION(TRACE, i, sizeof(struct uniobs_slot), c->trace_slots, ring);
#else
	(void)i;
#endif
#if UNIOBS_WITH_PACKETS
	SECTION(PACKETS, 0, c->packet_slot, c->packet_slots, ring);
#endif
#if UNIOBS_WITH_PANIC
	SECTION(PANIC, 0, sizeof(struct uniobs_panic) + c->panic_stack, 1, 0);
#endif
#undef SECTION
	(void)ring;
	return n;
}

static uint64_t align(uint64_t n, uint64_t to)
{
	return (n + to - 1) & ~(to - 1);
}

static uint64_t plan_size(const struct plan *p)
{
	return p->head + (uint64_t)p->entry_size * p->entry_count;
}

uint64_t uniobs_size(const struct uniobs_config *cfg)
{
	struct plan p[SECTIONS_MAX];
	uint32_t n = plan(cfg, p), i;
	uint64_t at = UNIOBS_DIRECTORY_OFFSET + n * sizeof(struct uniobs_section);

	for (i = 0; i < n; i++)
		at = align(at, 64) + plan_size(&p[i]);
	return n ? align(at, 4096) : 0;
}

/* Remember where a section of this kind lies. */
static void place(struct uniobs_state *s, const struct plan *p, uint8_t *at)
{
	switch (p->kind) {
	case UNIOBS_SECTION_STRINGS:
		s->strings = (void *)at, s->strings_size = p->entry_count;
		s->strings->used = sizeof *s->strings;
		break;
	case UNIOBS_SECTION_EVENTS:
		s->events = (void *)at, s->event_rows = p->entry_count, s->event_used = UNIOBS_EVENT_FIRST;
		break;
	case UNIOBS_SECTION_COUNTERS: s->counters = (void *)at, s->counter_rows = p->entry_count; break;
	case UNIOBS_SECTION_THREADS: s->threads = (void *)at, s->thread_rows = p->entry_count; break;
	case UNIOBS_SECTION_LOCKS: s->locks = (void *)at, s->lock_rows = p->entry_count; break;
	case UNIOBS_SECTION_SOCKETS: s->sockets = (void *)at, s->socket_rows = p->entry_count; break;
	case UNIOBS_SECTION_IFACES: s->ifaces = (void *)at, s->iface_rows = p->entry_count; break;
	case UNIOBS_SECTION_HEAP: s->heap = (void *)at; break;
	case UNIOBS_SECTION_SITES: s->sites = (void *)at, s->site_rows = p->entry_count; break;
	case UNIOBS_SECTION_LOG: s->log = (void *)at, s->log_mask = p->entry_count - 1; break;
	case UNIOBS_SECTION_TRACE:
		if (!p->index)
			s->trace = at, s->trace_mask = p->entry_count - 1, s->trace_stride = align(plan_size(p), 64);
		s->trace_rings = p->index + 1;
		break;
	case UNIOBS_SECTION_PACKETS:
		s->packets = (void *)at, s->packet_mask = p->entry_count - 1, s->packet_slot = p->entry_size;
		break;
	case UNIOBS_SECTION_PANIC: s->panic = (void *)at, s->panic_stack = p->entry_size - sizeof *s->panic; break;
	}
}

static uint32_t directory_crc(const struct uniobs_header *h, const void *directory)
{
	uint32_t crc = uniobs_crc32(0, h, offsetof(struct uniobs_header, crc));

	return uniobs_crc32(crc, directory, h->section_count * sizeof(struct uniobs_section));
}

static void fill_header(struct uniobs_header *h, const struct uniobs_config *c)
{
	static const uint8_t magic[16] = UNIOBS_MAGIC;

	uniobs_zero(h, sizeof *h);
	uniobs_copy(h->magic, magic, sizeof magic);
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
		uniobs_copy(h->image_id, c->image_id, c->image_id_len), h->image_id_len = c->image_id_len;
	h->image_bias = c->image_bias;
	uniobs_text(h->kernel, sizeof h->kernel, c->kernel);
	uniobs_text(h->app, sizeof h->app, c->app);
	uniobs_copy(h->switch_regs, c->switch_regs, sizeof h->switch_regs);
	h->switch_size = c->switch_size;
}

int uniobs_init(const struct uniobs_config *cfg)
{
	struct uniobs_state *s = &uniobs_state;
	struct plan p[SECTIONS_MAX];
	struct uniobs_section *directory;
	struct uniobs_header h;
	uint64_t at;
	uint32_t n = plan(cfg, p), i;

	if (!n || !cfg->memory || (uintptr_t)cfg->memory & 4095 || cfg->pa & 4095 || s->base)
		return UNIOBS_EINVAL;
	if (cfg->size < uniobs_size(cfg))
		return UNIOBS_ENOMEM;
	s->base = cfg->memory, s->size = uniobs_size(cfg);
	s->live = (void *)(s->base + UNIOBS_LIVE_OFFSET);
	directory = (void *)(s->base + UNIOBS_DIRECTORY_OFFSET);
	at = UNIOBS_DIRECTORY_OFFSET + n * sizeof *directory;
	for (i = 0; i < n; i++) {
		at = align(at, 64);
		directory[i].kind = p[i].kind, directory[i].index = p[i].index;
		directory[i].offset = at, directory[i].size = plan_size(&p[i]);
		directory[i].entry_size = p[i].entry_size, directory[i].entry_count = p[i].entry_count;
		place(s, &p[i], s->base + at);
		at += plan_size(&p[i]);
	}
#if UNIOBS_WITH_TRACE
	if (s->events) {
		static const struct uniobs_arg_def args[] = { { UNIOBS_ARG_TID, 0, "prev" }, { UNIOBS_ARG_TID, 1, "next" } };

		s->event_used = UNIOBS_EVENT_SWITCH;
		uniobs_event("sched_switch", UNIOBS_PHASE_INSTANT, UNIOBS_CATEGORY_SCHED, 0, args, 2);
		s->event_used = UNIOBS_EVENT_FIRST;
	}
#endif
	s->live->state = UNIOBS_STATE_RUNNING;
	fill_header(&h, cfg);
	h.size = s->size, h.section_count = n;
	h.crc = directory_crc(&h, directory);
	uniobs_copy(s->base + sizeof h.magic, (uint8_t *)&h + sizeof h.magic, sizeof h - sizeof h.magic);
	uniobs_order();
	uniobs_copy(s->base, &h, sizeof h.magic);
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

	if (!live)
		return;
	live->exit_code = exit_code;
	__atomic_store_n(&live->state, state, __ATOMIC_RELEASE);
}

void uniobs_set_clock(uint32_t tsc_khz, uint64_t anchor_tsc, uint64_t anchor_wall_ns)
{
	struct uniobs_header *h = (void *)uniobs_state.base;
	uint64_t flags;

	if (!h)
		return;
	UNIOBS_ENTER(flags);
	h->tsc_khz = tsc_khz, h->anchor_tsc = anchor_tsc, h->anchor_wall_ns = anchor_wall_ns;
	h->crc = directory_crc(h, uniobs_state.base + UNIOBS_DIRECTORY_OFFSET);
	UNIOBS_EXIT(flags);
}
