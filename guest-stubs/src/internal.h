/* internal.h - what the library's files share. */
#ifndef UNIOBS_INTERNAL_H
#define UNIOBS_INTERNAL_H

#include <uniobs/uniobs.h>
#include <uniobs/port.h>

/* So many trace rings that the directory still ends within the first page. */
#define RINGS_MAX ((4096u - UNIOBS_DIRECTORY_OFFSET) / sizeof(struct uniobs_section) - UNIOBS_SECTION_PANIC)
#define PANIC_STACK_MAX 65536u

/* Between the stores of a slot. A test puts a pause here, to be seen there. */
#ifndef UNIOBS_POINT
#define UNIOBS_POINT() ((void)0)
#endif

/* Where things lie. All zero until uniobs_init: till then every call finds its table empty. */
struct uniobs_state {
	uint8_t *trace;                    /* first trace ring */
	uint64_t trace_stride;
	struct uniobs_event *events;       /* row i describes event id i */
	uint32_t event_rows, event_used;
	uint32_t trace_rings, trace_mask;
	struct uniobs_header_live *live;
	uint8_t *base;
	uint64_t size;
	struct uniobs_strings *strings; uint32_t strings_size;
	struct uniobs_counter *counters; uint32_t counter_rows;
	struct uniobs_thread *threads; uint32_t thread_rows, thread_next;
	struct uniobs_thread *current;
	struct uniobs_lock *locks; uint32_t lock_rows;
	struct uniobs_socket *sockets; uint32_t socket_rows;
	struct uniobs_heap *heap;
	struct uniobs_site *sites; uint32_t site_rows;
	struct uniobs_iface *ifaces; uint32_t iface_rows;
	struct uniobs_ring *log; uint32_t log_mask;
	struct uniobs_ring *packets; uint32_t packet_mask, packet_slot;
	struct uniobs_panic *panic; uint32_t panic_stack;
	uint8_t panicked;
};
extern __attribute__((visibility("hidden"))) struct uniobs_state uniobs_state;

/* Not memcpy and memset: nothing outside the library is needed, whatever the compiler makes of loops. */
static inline void uniobs_copy(void *to, const void *from, uint64_t size)
{
#if defined __x86_64__
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
#else
	volatile uint8_t *t = to;
	const uint8_t *f = from;

	while (size--)
		*t++ = *f++;
#endif
}

static inline void uniobs_zero(void *to, uint64_t size)
{
#if defined __x86_64__
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(0) : "memory");
#else
	volatile uint8_t *t = to;

	while (size--)
		*t++ = 0;
#endif
}

/* Everything before is stored before everything after. On x86 it only holds the compiler. */
static inline void uniobs_order(void)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

/* A table row under change has an odd seq. */
static inline void uniobs_row_begin(uint32_t *seq)
{
	__atomic_store_n(seq, (*seq + 1) | 1, __ATOMIC_RELAXED);
	uniobs_order();
}

/* The check word: each 64-bit word goes in by xor and a multiplication, which lose nothing, so a change
 * of one word always changes the sum; the upper half of it is kept. Zeroes give zero. */
static inline uint64_t uniobs_mix(uint64_t sum, uint64_t word)
{
	return (sum ^ word) * 0x9e3779b97f4a7c15u;
}

/* Of size bytes (a multiple of 8), going on from sum. */
uint64_t uniobs_sum(uint64_t sum, const void *data, uint64_t size);
/* Fill in check, which follows seq, as the sum of all behind it, and make the row even again. */
void uniobs_row_end(uint32_t *seq, uint64_t size);
#define UNIOBS_ROW_END(row) uniobs_row_end(&(row)->seq, sizeof *(row))
/* Put all of *from but its seq and check into the row. */
void uniobs_row_set(uint32_t *seq, const void *from, uint64_t size);
/* After any change of header_live, with the guard held. */
void uniobs_live_seal(void);
/* Count what found no room, with the guard held. */
void uniobs_overflow(uint64_t *counter);

/* Take n positions of a ring, before anything is written there. One instruction, so that an
 * interrupt in between finds the ring either before or after. */
static inline uint64_t uniobs_reserve(struct uniobs_ring *ring, uint64_t n)
{
#if defined __x86_64__
	__asm__ volatile("xaddq %0, %1" : "+r"(n), "+m"(ring->head) : : "memory", "cc");
	return n;
#else
	n = __atomic_fetch_add(&ring->head, n, __ATOMIC_RELAXED);
	uniobs_order();
	return n;
#endif
}

/* Count in a ring's head: its contexts don't run at once, at most one interrupts the other. */
static inline void uniobs_ring_count(uint64_t *counter)
{
#if defined __x86_64__
	__asm__ volatile("addq $1, %0" : "+m"(*counter) : : "cc");
#else
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
#endif
}

static inline void uniobs_slot_open(uint32_t *seq, uint64_t position)
{
	__atomic_store_n(seq, ~(uint32_t)(position + 1), __ATOMIC_RELAXED);
	uniobs_order();
}

/* Commit a slot whose first size bytes (a multiple of 8) were filled in. */
void uniobs_slot_seal(uint32_t *seq, uint64_t position, uint64_t size);

/* The same with the sum at hand: over the slot's bytes with seq taken as zero. */
static inline void uniobs_slot_commit(uint32_t *seq, uint64_t position, uint64_t sum)
{
	__atomic_store_n(seq, (uint32_t)(position + 1) ^ (uint32_t)(sum >> 32), __ATOMIC_RELEASE);
}

/* The sum of a 32-byte slot: the upper half of its first word, then the other three. */
static inline uint64_t uniobs_slot_sum(uint32_t beside_seq, uint64_t w1, uint64_t w2, uint64_t w3)
{
	return uniobs_mix(uniobs_mix(uniobs_mix(uniobs_mix(0, (uint64_t)beside_seq << 32), w1), w2), w3);
}

uint32_t uniobs_length(const char *text, uint32_t max);
/* NUL-terminated, the rest zeroed. */
void uniobs_text(uint8_t *to, uint32_t size, const char *text);
uint32_t uniobs_string_held(const char *text);  /* uniobs_string with the guard held */
/* The event's time. */
uint64_t uniobs_ring_put(struct uniobs_ring *ring, uint32_t mask, uint32_t info, const uint64_t *words,
			 uint32_t n, uint32_t truncated);

#endif
