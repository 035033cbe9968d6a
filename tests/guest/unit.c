/* unit.c - checks of the library from inside: rows, strings, rings, CRC, panic, hostile channel requests. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted.h"

static int checks, failures;
#define CHECK(x) (checks++, (x) ? (void)0 : (void)(failures++, printf("%s:%d: %s\n", __FILE__, __LINE__, #x)))

static uint8_t *region;
static uint64_t region_size;

static struct uniobs_section *section(uint32_t kind, uint32_t index)
{
	const struct uniobs_header *h = (void *)region;
	struct uniobs_section *s = (void *)(region + UNIOBS_DIRECTORY_OFFSET);

	for (uint32_t i = 0; i < h->section_count; i++)
		if (s[i].kind == kind && s[i].index == index)
			return &s[i];
	return 0;
}

static void *table(uint32_t kind)
{
	struct uniobs_section *s = section(kind, 0);

	return s ? region + s->offset : 0;
}

#define LIVE ((struct uniobs_header_live *)(region + UNIOBS_LIVE_OFFSET))

/* SPEC.md, "Check words", written down a second time. */
static uint32_t check_words(const void *data, uint64_t size)
{
	uint64_t h = 0, w;

	for (uint64_t i = 0; i < size; i += 8) {
		memcpy(&w, (const uint8_t *)data + i, 8);
		h = (h ^ w) * 0x9e3779b97f4a7c15u;
	}
	return (uint32_t)(h >> 32);
}

#define ROW_HOLDS(row) ((row)->check == check_words((uint8_t *)(row) + 8, sizeof *(row) - 8))

static uint32_t slot_seq(const void *slot)
{
	uint32_t copy[8];

	memcpy(copy, slot, sizeof copy);
	copy[0] = 0;
	return *(const uint32_t *)slot ^ check_words(copy, sizeof copy);
}

static void configurations(void)
{
	static _Alignas(4096) uint8_t memory[8192];
	struct uniobs_config good = { .memory = memory, .size = sizeof memory, .cpus = 1, .trace_slots = 16 }, c;

	CHECK(uniobs_size(&good) >= 4096);
	CHECK(uniobs_thread_add(1, "early", 0, 0, 0, 0) == 0 && uniobs_string("early") == 0);
	CHECK(uniobs_emit2(16, 1, 0, 0) == 0 && uniobs_counter_new("early", 1, 0) == 0);
	uniobs_log(1, 1, "early", 5);
	uniobs_packet(0, 0, "early", 5);
	uniobs_tick(0), uniobs_switch(0, 0, 0, 0), uniobs_set_state(1, 0), uniobs_set_clock(1, 1, 1);
	c = good, c.trace_slots = 24; CHECK(uniobs_size(&c) == 0);
	c = good, c.trace_slots = 8; CHECK(uniobs_size(&c) == 0);
	c = good, c.log_slots = 1u << 25; CHECK(uniobs_size(&c) == 0);
	c = good, c.packet_slots = 16, c.packet_slot = 32; CHECK(uniobs_size(&c) == 0);
	c = good, c.packet_slots = 16, c.packet_slot = 96; CHECK(uniobs_size(&c) == 0);
	c = good, c.events = 4096; CHECK(uniobs_size(&c) == 0);
	c = good, c.cpus = 100; CHECK(uniobs_size(&c) == 0);
	c = good, c.panic_stack = 1u << 20; CHECK(uniobs_size(&c) == 0);
	c = good, c.image_id_len = 21; CHECK(uniobs_size(&c) == 0);
	c = good, c.memory = memory + 8; CHECK(uniobs_init(&c) == UNIOBS_EINVAL);
	c = good, c.pa = 100; CHECK(uniobs_init(&c) == UNIOBS_EINVAL);
	c = good, c.memory = 0; CHECK(uniobs_init(&c) == UNIOBS_EINVAL);
	c = good, c.size = 4096; CHECK(uniobs_init(&c) == UNIOBS_ENOMEM);
	CHECK(!memcmp(memory, memory + 1, sizeof memory - 1) && !memory[0]);
	CHECK(uniobs_region(0) == 0);
}

static void header(void)
{
	const struct uniobs_header *h = (void *)region;
	static const uint8_t magic[16] = UNIOBS_MAGIC;
	struct uniobs_section *s = (void *)(region + UNIOBS_DIRECTORY_OFFSET);
	uint64_t end = 4096;
	uint32_t crc;

	CHECK(!memcmp(h->magic, magic, 16) && h->self_pa == (uintptr_t)region && h->size == region_size);
	uniobs_set_clock(h->tsc_khz + 1, h->anchor_tsc + 1, 0);
	crc = uniobs_crc32(uniobs_crc32(0, region, 252), s, h->section_count * sizeof *s);
	CHECK(h->crc == crc && h->anchor_wall_ns == 0);
	CHECK(h->image_id_len == 20 && h->image_bias && LIVE->state == UNIOBS_STATE_RUNNING);
	for (uint32_t i = 0; i < h->section_count; i++) {
		CHECK(s[i].offset >= end && s[i].offset % 64 == 0);
		end = s[i].offset + s[i].size;
	}
	CHECK(end <= region_size);
}

static void strings(void)
{
	const struct uniobs_strings *head = table(UNIOBS_SECTION_STRINGS);
	char big[9000];
	uint32_t a = uniobs_string("alpha"), used, n = 0;

	CHECK(a && !strcmp((const char *)head + a, "alpha"));
	CHECK(uniobs_string("alpha") == a && uniobs_string("alph") != a && uniobs_string("alphab") != a);
	CHECK(uniobs_string("") && !uniobs_string(0));
	used = head->used;
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = 0;
	CHECK(!uniobs_string(big) && head->used == used && LIVE->string_overflow == 1);
	do
		snprintf(big, sizeof big, "string number %u", n++);
	while (uniobs_string(big) && n < 10000);
	CHECK(n < 10000 && head->used <= section(UNIOBS_SECTION_STRINGS, 0)->size && ((const char *)head)[head->used - 1] == 0);
	CHECK(uniobs_string("alpha") == a);
}

static void threads(void)
{
	struct uniobs_thread *rows = table(UNIOBS_SECTION_THREADS), *t, *u, *all[8];
	uint64_t beats = LIVE->beat_count;
	int n = 0;

	t = uniobs_thread_add(100, "a name that is longer than thirty-one bytes", 1, 4096, 8192, 0);
	u = uniobs_thread_add(101, "u", 1, 4096, 8192, UNIOBS_THREAD_FLAG_IDLE);
	CHECK(t >= rows && strlen((char *)t->name) == 31 && t->state == UNIOBS_THREAD_STATE_READY && !(t->seq & 1) && ROW_HOLDS(t));
	uniobs_switch(0, t, 0, 1);
	CHECK(t->state == UNIOBS_THREAD_STATE_RUNNING && LIVE->current_tid == 100 && LIVE->beat_count == beats + 1 && t->switches == 1);
	uniobs_tick(5000);
	CHECK(t->stack_low_mark == 5000 && t->ticks_sampled == 1);
	uniobs_tick(100);
	CHECK(t->stack_low_mark == 5000);
	uniobs_thread_wait(t, UNIOBS_WAIT_MUTEX, 77, 0, -1);
	CHECK(t->state == UNIOBS_THREAD_STATE_BLOCKED && t->wait_obj == 77 && t->wait_since);
	uniobs_switch(t, u, 4500, 0);
	CHECK(t->saved_sp == 4500 && t->stack_low_mark == 4500 && t->cpu_ticks && t->state == UNIOBS_THREAD_STATE_BLOCKED);
	uniobs_thread_ready(t);
	CHECK(t->state == UNIOBS_THREAD_STATE_READY && t->wait == 0 && t->wait_obj == 0 && t->wait_fd == -1);
	uniobs_switch(u, u, 0, 3);
	CHECK(LIVE->ready_count == 3 && u->state == UNIOBS_THREAD_STATE_RUNNING && u->switches == 1);
	uniobs_thread_wait(u, UNIOBS_WAIT_SLEEP, 0, 5, -1);
	CHECK(u->state == UNIOBS_THREAD_STATE_SLEEPING && u->wait_until == 5);
	uniobs_switch(u, t, 0, 0);
	uniobs_switch(t, u, 4600, 0);
	CHECK(t->state == UNIOBS_THREAD_STATE_READY && u->wait == 0);
	while (n < 8 && (all[n] = uniobs_thread_add(200, "fill", 0, 0, 0, 0)))
		n++;
	CHECK(n == 5 && LIVE->thread_overflow == 1);  /* 8 rows: main, t, u */
	uniobs_thread_exit(t);
	CHECK(uniobs_thread_add(201, "again", 0, 0, 0, 0) == t && t->tid == 201 && !t->cpu_ticks);
	uniobs_thread_exit(0), uniobs_thread_ready(0), uniobs_thread_wait(0, 1, 1, 1, 1);
	uniobs_switch(0, 0, 0, 0);
	CHECK(LIVE->current_tid == 0);
}

static void tables(void)
{
	static const uint8_t mac[6] = { 1, 2, 3, 4, 5, 6 };
	struct uniobs_lock *l = uniobs_lock_add(UNIOBS_LOCK_KIND_MUTEX, 0x1000, "m");
	struct uniobs_socket from = { .seq = 99, .kind = UNIOBS_FD_KIND_TCP, .id = 7, .lport = 80 }, *s = uniobs_socket_add(1, 7, 3, 1);
	struct uniobs_heap heap = { .seq = 3, .total = 100, .used = 40 }, *h = table(UNIOBS_SECTION_HEAP);
	struct uniobs_site *sites = table(UNIOBS_SECTION_SITES);
	uniobs_counter_t *c = uniobs_counter_new("c", UNIOBS_COUNTER_KIND_COUNTER, UNIOBS_UNIT_BYTES);
	uint64_t live = 0, total = 0;
	int n = 0;

	uniobs_lock_waiters(l, 1), uniobs_lock_acquired(l, 5, 0x42), uniobs_lock_waiters(l, -1), uniobs_lock_value(l, -3);
	CHECK(l->owner_tid == 5 && l->acquire_pc == 0x42 && l->contended == 1 && l->waiters == 0 && l->acquisitions == 1 && l->value == -3 && ROW_HOLDS(l));
	uniobs_lock_released(l);
	CHECK(l->owner_tid == 0 && l->acquired == 0 && l->acquisitions == 1);
	uniobs_lock_remove(l);
	CHECK(l->kind == 0 && uniobs_lock_add(1, 1, "n") == l && l->acquisitions == 0 && !(l->seq & 1));
	while (uniobs_lock_add(1, 1, "x") && n < 100)
		n++;
	CHECK(n == 3 && LIVE->lock_overflow == 1);
	uniobs_socket_set(s, &from);
	CHECK(s->seq != 99 && !(s->seq & 1) && s->lport == 80 && s->id == 7 && ROW_HOLDS(s));
	uniobs_socket_remove(s);
	CHECK(s->kind == 0);
	CHECK(uniobs_iface_add("en0", mac, 1500) == 0);  /* no such table */
	uniobs_heap_set(&heap);
	CHECK(h->total == 100 && h->used == 40 && !(h->seq & 1) && ROW_HOLDS(h));
	for (uint64_t pc = 1; pc <= 20; pc++)
		uniobs_alloc(pc, 10), uniobs_alloc(pc, 5), uniobs_free(pc, 10);
	uniobs_free(999, 1);
	for (int i = 0; i < 8; i++)
		live += sites[i].live_bytes, total += sites[i].total_count;
	CHECK(total == 16 && live == 8 * 5 && LIVE->site_overflow == 24);
	uniobs_count(c, 5), uniobs_count(c, 1ull << 40), uniobs_count(0, 1), uniobs_gauge(0, 1);
	CHECK(c->value == (1ull << 40) + 5 && c->inverse == ~c->value && c->check == check_words(c, 8));
	uniobs_gauge(c, 3);
	CHECK(c->value == 3 && c->inverse == ~3ull);
}

static void events(void)
{
	static const struct uniobs_arg_def args[13] = { { UNIOBS_ARG_FD, 0, "fd" } };
	struct uniobs_section *where = section(UNIOBS_SECTION_TRACE, 0);
	struct uniobs_ring *ring = (void *)(region + where->offset);
	struct uniobs_slot *slots = (void *)(ring + 1);
	struct uniobs_event *rows = table(UNIOBS_SECTION_EVENTS);
	uint64_t words[UNIOBS_WORDS_MAX + 1], head, time, off;
	uint16_t id = uniobs_event("call", UNIOBS_PHASE_ENTER, UNIOBS_CATEGORY_SYSCALL, 0, args, 1);

	CHECK(id == UNIOBS_EVENT_FIRST + 1 && rows[id].id == id && rows[id].enabled && rows[id].nargs == 1);
	CHECK(rows[UNIOBS_EVENT_SWITCH].id == UNIOBS_EVENT_SWITCH);
	CHECK(uniobs_on(id) && !uniobs_on(0) && !uniobs_on(0xffff));
	CHECK(uniobs_event("many", 0, 0, 0, args, 13) == 0);
	head = ring->head;
	time = uniobs_emit2(id, 7, 11, 22);
	CHECK(time && ring->head == head + 1 && slots[head & 63].time == time && slots[head & 63].tid == 7);
	CHECK(slot_seq(&slots[head & 63]) == (uint32_t)(head + 1) && slots[head & 63].w0 == 11 && slots[head & 63].w1 == 22);
	for (uint32_t n = 0; n <= UNIOBS_WORDS_MAX + 1; n++) {
		uint32_t parts = n <= 2 ? 0 : n > UNIOBS_WORDS_MAX ? 14 : (n - 2 + 2) / 3, cut = n > UNIOBS_WORDS_MAX;
		uint64_t truncated = ring->truncated, counted = ring->events;

		for (uint32_t i = 0; i < n; i++)
			words[i] = 1000 * n + i;
		head = ring->head;
		uniobs_emit(id, 7, words, n);
		CHECK(ring->head == head + 1 + parts && ring->truncated == truncated + cut && ring->events == counted + 1);
		CHECK(slots[head & 63].info == (id | parts << 12) && slots[head & 63].w1 == (n > 1 ? words[1] : 0));
		for (uint32_t p = 1; p <= parts; p++) {
			struct uniobs_slot_cont *c = (void *)&slots[(head + p) & 63];
			uint64_t got[3] = { c->w0, c->w1, c->w2 };

			CHECK(slot_seq(c) == (uint32_t)(head + p + 1) && c->info == (id | 15 << 12) && c->part == p);
			for (uint32_t i = 0; i < 3; i++)
				CHECK(got[i] == (p * 3 - 1 + i < n ? words[p * 3 - 1 + i] : 0));
		}
	}
	rows[id].enabled = 0;
	CHECK(!uniobs_on(id));
	head = ring->head;
	CHECK(uniobs_emit2(id, 7, 1, 1) == 0 && uniobs_emit(id, 7, words, 3) == 0 && ring->head == head);
	CHECK(uniobs_emit2(0, 7, 1, 1) == 0 && uniobs_emit2(0xffff, 7, 1, 1) == 0);
	rows[id].enabled = 1;
	extern _Thread_local uint32_t uniobs_hosted_ring;
	uniobs_hosted_ring = 5, off = LIVE->trace_off;
	CHECK(uniobs_emit2(id, 7, 1, 1) && uniobs_emit(id, 7, words, 3) && LIVE->trace_off == off + 2);
	uniobs_hosted_ring = 0;
	while (uniobs_event("fill", 0, 0, 0, args, 1))
		;
	CHECK(rows[UNIOBS_EVENT_FIRST + 3].id == UNIOBS_EVENT_FIRST + 3);
}

static pthread_barrier_t both;
static uint16_t ring_event;

static void *emitter(void *arg)
{
	uniobs_emit2(ring_event, uniobs_hosted_tid(), 1, 2);
	pthread_barrier_wait(&both);
	return arg;
}

/* Two rings, the main thread has one: of two more threads one goes without, and is counted; rings are used again. */
static void recycling(void)
{
	struct uniobs_ring *ring = (void *)(region + section(UNIOBS_SECTION_TRACE, 1)->offset);
	struct uniobs_thread *rows = table(UNIOBS_SECTION_THREADS);
	pthread_t a, b;
	int exited = 0;

	ring_event = uniobs_event("ring", 0, 0, 0, 0, 0);
	pthread_barrier_init(&both, 0, 2);
	for (uint64_t turn = 1; turn <= 3; turn++) {
		uint64_t off = LIVE->trace_off;

		CHECK(!uniobs_hosted_thread(&a, "a", emitter, 0) && !uniobs_hosted_thread(&b, "b", emitter, 0));
		pthread_join(a, 0), pthread_join(b, 0);
		CHECK(ring->head == turn && ring->events == turn && ring->owner == 0 && LIVE->trace_off == off + 1);
	}
	for (int i = 0; i < 8; i++)
		exited += rows[i].state == UNIOBS_THREAD_STATE_EXITED && rows[i].os_tid && ROW_HOLDS(&rows[i]);
	CHECK(exited == 6 && rows[0].state == UNIOBS_THREAD_STATE_RUNNING && LIVE->thread_overflow == 0);
}

static void packing(void)
{
	uint64_t words[UNIOBS_WORDS_MAX];
	char data[1000];

	memset(data, 'd', sizeof data), memset(words, 0xee, sizeof words);
	CHECK(uniobs_pack(words, 1, data, 9, 100) == 4 && words[1] == (9 | 9ull << 32) && words[3] == 'd');
	CHECK(uniobs_pack(words, 0, data, 1000, 16) == 3 && words[0] == (1000 | 16ull << 32));
	CHECK(uniobs_pack(words, 0, 0, 50, 16) == 1 && words[0] == 0);
	CHECK(uniobs_pack(words, 0, data, 0, 16) == 1 && words[0] == 0);
	CHECK(uniobs_pack(words, 40, data, 1000, 1000) == 44 && words[40] == (1000 | 24ull << 32));
	CHECK(uniobs_pack(words, 43, data, 1000, 1000) == 44 && words[43] == 1000);
	CHECK(uniobs_pack(words, 44, data, 1000, 1000) == 44);
}

static void logging(void)
{
	struct uniobs_section *where = section(UNIOBS_SECTION_LOG, 0);
	struct uniobs_ring *ring = (void *)(region + where->offset);
	struct uniobs_slot *slots = (void *)(ring + 1);
	char text[500];
	uint64_t head;

	memset(text, 't', sizeof text);
	for (uint32_t n = 0; n <= sizeof text; n++) {
		uint64_t truncated = ring->truncated;

		head = ring->head;
		uniobs_log(UNIOBS_LEVEL_ERR, 3, text, n);
		CHECK(slots[head & 31].w0 == UNIOBS_LEVEL_ERR && (slots[head & 31].info & 0xfff) == UNIOBS_EVENT_LOG);
		CHECK(slots[head & 31].w1 == (n | (uint64_t)(n < 336 ? n : 336) << 32) && ring->truncated == truncated + (n > 336));
	}
}

static const void *allow(uint64_t address, uint32_t size)
{
	uint64_t base = (uintptr_t)region;

	return address >= base && size <= region_size && address - base <= region_size - size ? (void *)(uintptr_t)address : 0;
}

static uint32_t ask(struct uniobs_frame f, struct uniobs_frame *reply, const void **payload)
{
	f.magic = UNIOBS_FRAME_MAGIC;
	f.crc = uniobs_crc32(0, &f, offsetof(struct uniobs_frame, crc));
	memset(reply, 0xaa, sizeof *reply);
	CHECK(uniobs_answer(&f, allow, reply, payload) == 0);
	CHECK(reply->magic == UNIOBS_FRAME_MAGIC && reply->id == f.id && reply->crc == uniobs_crc32(0, reply, 36));
	CHECK((reply->type == UNIOBS_FRAME_DATA) == (*payload != 0) && (*payload || (!reply->size && !reply->payload_crc)));
	if (*payload)
		CHECK(reply->payload_crc == uniobs_crc32(0, *payload, reply->size) && reply->size <= 65536);
	return reply->type;
}

static void answers(void)
{
	struct uniobs_frame reply, bad = { .magic = UNIOBS_FRAME_MAGIC, .type = UNIOBS_FRAME_READ };
	uint64_t base = (uintptr_t)region;
	const void *payload;

	CHECK(ask((struct uniobs_frame){ .type = UNIOBS_FRAME_HELLO, .id = 1 }, &reply, &payload) == UNIOBS_FRAME_DATA);
	CHECK(payload == region && reply.size == 4096 && reply.address == base);
#define READ(a, n) ask((struct uniobs_frame){ .type = UNIOBS_FRAME_READ, .id = 2, .address = (a), .size = (n) }, &reply, &payload)
	CHECK(READ(base, 1) == UNIOBS_FRAME_DATA && reply.size == 1);
	CHECK(READ(base + region_size - 64, 64) == UNIOBS_FRAME_DATA);
	CHECK(READ(base + region_size - 63, 64) == UNIOBS_FRAME_REFUSED);
	CHECK(READ(base - 1, 8) == UNIOBS_FRAME_REFUSED && READ(base, 0) == UNIOBS_FRAME_REFUSED);
	CHECK(READ(base, 65537) == UNIOBS_FRAME_REFUSED && READ(base, ~0u) == UNIOBS_FRAME_REFUSED);
	CHECK(READ(~0ull, 1) == UNIOBS_FRAME_REFUSED && READ(~0ull - 5, 64) == UNIOBS_FRAME_REFUSED && READ(0, 8) == UNIOBS_FRAME_REFUSED);
	for (uint32_t type = 0; type < 50; type += type == 0 ? 2 : type == 3 ? 2 : 1)  /* not READ, not HELLO */
		CHECK(ask((struct uniobs_frame){ .type = type, .address = base, .size = 8 }, &reply, &payload) == UNIOBS_FRAME_REFUSED);
	CHECK(uniobs_answer(&bad, allow, &reply, &payload) == UNIOBS_EINVAL && !payload);
	srand(1);
	for (int i = 0; i < 20000; i++) {  /* one wrong bit anywhere */
		struct uniobs_frame f = { .magic = UNIOBS_FRAME_MAGIC, .type = UNIOBS_FRAME_READ, .id = (uint32_t)i, .address = base, .size = 64 };

		f.crc = uniobs_crc32(0, &f, 36);
		((uint8_t *)&f)[rand() % 40] ^= (uint8_t)(1 << rand() % 8);
		CHECK(uniobs_answer(&f, allow, &reply, &payload) == UNIOBS_EINVAL && !payload);
	}
}

static void panicking(void)
{
	struct uniobs_panic *p = table(UNIOBS_SECTION_PANIC), regs = { .rip = 0x1234, .cr4 = 5, .stack_len = 99 };
	uint8_t stack[8192];
	char message[300];

	memset(stack, 7, sizeof stack), memset(message, 'm', sizeof message), message[299] = 0;
	uniobs_panic(UNIOBS_PANIC_ASSERT, &regs, message, stack, 0x5000, sizeof stack);
	CHECK(p->kind == UNIOBS_PANIC_ASSERT && p->rip == 0x1234 && p->cr4 == 5 && p->time && strlen((char *)p->message) == 191);
	CHECK(p->stack_len == 4096 && p->stack_va == 0x5000 && ((uint8_t *)(p + 1))[4095] == 7 && LIVE->state == UNIOBS_STATE_PANICKED);
	regs.rip = 1;
	uniobs_panic(UNIOBS_PANIC_OOM, &regs, "second", 0, 0, 0);
	CHECK(p->kind == UNIOBS_PANIC_ASSERT && p->rip == 0x1234);
}

int main(int argc, char **argv)
{
	const struct uniobs_hosted_sizes sizes = {
		.rings = 2, .events = 4, .threads = 8, .locks = 4, .sites = 8, .sockets = 4, .log_slots = 32, .trace_slots = 64, .strings = 1024,
	};

	if (argc > 1) {  /* the CRC-32 of the standard input, in two halves */
		static uint8_t data[1 << 16];
		size_t n = fread(data, 1, sizeof data, stdin);

		(void)argv;
		printf("%08x\n", uniobs_crc32(uniobs_crc32(0, data, n / 2), data + n / 2, n - n / 2));
		return 0;
	}
	configurations();
	if (uniobs_hosted_start("unit", &sizes))
		return 2;
	region = uniobs_region(&region_size);
	header(), recycling(), events(), packing(), logging(), tables(), threads(), answers(), strings(), panicking();
	printf("%d checks, %d failures\n", checks, failures);
	return failures != 0;
}
