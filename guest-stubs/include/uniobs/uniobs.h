/*
 * uniobs.h - the guest-side library: a self-describing memory region that tools outside the guest read.
 *
 * Freestanding C11; no malloc, no libc. A port gives it memory, a clock and, where contexts can
 * preempt each other, a guard (uniobs/port.h). Nothing here blocks or loops without a bound.
 * The bytes are described in SPEC.md, the reasons in DESIGN.md, the knobs in uniobs/opt.h.
 */
#ifndef UNIOBS_H
#define UNIOBS_H

#include <uniobs/abi.h>
#include <uniobs/opt.h>

#define UNIOBS_EINVAL  (-22)
#define UNIOBS_ENOMEM  (-12)

struct uniobs_config {
	void *memory;            /* page aligned, zeroed */
	uint64_t size;           /* bytes; see uniobs_size() */
	uint64_t pa;             /* guest-physical address of memory */
	uint32_t cpus;           /* how many trace rings; per CPU, or per thread when hosted */
	uint32_t events, counters, threads, locks, sockets, sites, ifaces; /* rows; 0 leaves a table out */
	uint32_t strings;        /* bytes */
	uint32_t log_slots, trace_slots;       /* a ring, powers of two from 16 on; 0 leaves it out */
	uint32_t packet_slots, packet_slot;    /* count, and bytes a slot: powers of two; snap length = packet_slot - 32 */
	uint32_t panic_stack;    /* bytes of stack kept in the panic record */
	const char *kernel, *app;
	const uint8_t *image_id; uint32_t image_id_len;  /* GNU build-id */
	uint64_t image_bias;     /* run-time minus link address */
	uint8_t boot_id[16];
	uint32_t tsc_khz; uint64_t anchor_tsc, anchor_wall_ns;
	uint16_t flags; uint32_t os_pid;
	uint8_t switch_regs[8];  /* word offsets from saved_sp of r15 r14 r13 r12 rbx rbp rip; 0xff = not saved; [7] = 0 */
	uint32_t switch_size;    /* rsp after the switch = saved_sp + switch_size */
};

/* Bytes that cfg needs, or 0 when cfg is wrong. */
uint64_t uniobs_size(const struct uniobs_config *cfg);
/* Lay out the region and make it visible (the magic is stored last). 0, UNIOBS_EINVAL or UNIOBS_ENOMEM. */
int uniobs_init(const struct uniobs_config *cfg);
/* The whole region, or NULL before uniobs_init. */
void *uniobs_region(uint64_t *size);
void uniobs_set_state(uint32_t state, int32_t exit_code);
/* Once a clock has been calibrated: rewrites the guarded header. */
void uniobs_set_clock(uint32_t tsc_khz, uint64_t anchor_tsc, uint64_t anchor_wall_ns);

/* Copy a string into the region; its offset, or 0 when there is no room (counted). Equal strings share. */
uint32_t uniobs_string(const char *text);

/* --- threads: rows are written by the scheduler, with the guard held, or by the thread itself ------- */
typedef struct uniobs_thread uniobs_thread_t;
/* NULL when the table is full (counted); every call below accepts NULL. */
uniobs_thread_t *uniobs_thread_add(uint32_t tid, const char *name, uint64_t entry, uint64_t stack_lo, uint64_t stack_hi, uint16_t flags);
void uniobs_thread_exit(uniobs_thread_t *row);                    /* state EXITED; the row may be reused */
void uniobs_thread_ready(uniobs_thread_t *row);                   /* READY; the wait is over */
/* The thread is about to wait: state BLOCKED (SLEEPING for WAIT_SLEEP). until: TSC, 0 = for ever; fd: -1 = none. */
void uniobs_thread_wait(uniobs_thread_t *row, uint8_t wait, uint64_t obj, uint64_t until, int32_t fd);
/* The scheduler hands the CPU over: accounts time, beats the heart, stores prev's saved_sp.
 * prev may be NULL or == next (a pass that changed nothing still beats). */
void uniobs_switch(uniobs_thread_t *prev, uniobs_thread_t *next, uint64_t prev_saved_sp, uint32_t ready_count);
/* Timer interrupt. sp is the interrupted stack pointer (for the low mark of the running thread's stack). */
void uniobs_tick(uint64_t sp);

/* --- locks ------------------------------------------------------------------------------------------ */
typedef struct uniobs_lock uniobs_lock_t;
#if UNIOBS_WITH_LOCKS
uniobs_lock_t *uniobs_lock_add(uint8_t kind, uint64_t va, const char *name);
void uniobs_lock_remove(uniobs_lock_t *row);
void uniobs_lock_acquired(uniobs_lock_t *row, uint32_t tid, uint64_t pc);
void uniobs_lock_released(uniobs_lock_t *row);
void uniobs_lock_waiters(uniobs_lock_t *row, int delta);  /* +1: somebody begins to wait (contended), -1: ends */
void uniobs_lock_value(uniobs_lock_t *row, int32_t value); /* semaphores, mailboxes: count or fill */
#endif

/* --- sockets, interfaces ---------------------------------------------------------------------------- */
typedef struct uniobs_socket uniobs_socket_t;
typedef struct uniobs_iface uniobs_iface_t;
#if UNIOBS_WITH_SOCKETS
uniobs_socket_t *uniobs_socket_add(uint8_t kind, uint64_t id, int32_t fd, uint32_t owner_tid);
void uniobs_socket_remove(uniobs_socket_t *row);
/* Copies every field of *from but seq into the row, under the row's sequence. */
void uniobs_socket_set(uniobs_socket_t *row, const uniobs_socket_t *from);
uniobs_iface_t *uniobs_iface_add(const char *name, const uint8_t mac[6], uint16_t mtu);
void uniobs_iface_set(uniobs_iface_t *row, const uniobs_iface_t *from);
#endif

/* --- memory ----------------------------------------------------------------------------------------- */
#if UNIOBS_WITH_SITES
void uniobs_heap_set(const struct uniobs_heap *from);                /* seq is ignored */
void uniobs_alloc(uint64_t pc, uint64_t bytes);                      /* by call site; open addressing, bounded probes */
void uniobs_free(uint64_t pc, uint64_t bytes);                       /* pc of the allocation */
#endif

/* --- counters: hold the pointer, add to it ----------------------------------------------------------- */
typedef struct uniobs_counter uniobs_counter_t;
uniobs_counter_t *uniobs_counter_new(const char *name, uint16_t kind, uint16_t unit);
void uniobs_count(uniobs_counter_t *row, uint64_t n);
void uniobs_gauge(uniobs_counter_t *row, uint64_t value);

/* --- events ------------------------------------------------------------------------------------------ */
struct uniobs_arg_def { uint8_t kind, pos; const char *name; };
#define UNIOBS_WORDS_MAX 44u
#if UNIOBS_WITH_TRACE
/* Define an event; its id, or 0 when there is no room. pair: the ENTER event's id for an EXIT, else 0.
 * Words carried, in args order: one u64 for kinds below 32; from 32 on (PATH, BUF) a head word
 * {u32 full length, u16 captured, u16 0} and ceil(captured / 8) words of bytes. For an EXIT event args[0]
 * is RET (negative = -errno) and args[1] ENTER_TIME; pos says which printed argument an output fills. */
uint16_t uniobs_event(const char *name, uint8_t phase, uint8_t category, uint16_t pair, const struct uniobs_arg_def *args, uint8_t nargs);
/* Whether an event is recorded, without a call: put it before emits that are off most of the time, or whose words
 * cost something to gather. The emits look by themselves, too. */
extern struct uniobs_gate { const struct uniobs_event *rows; uint32_t count; } uniobs_gate;
static inline int uniobs_on(uint16_t id)
{
	return id < uniobs_gate.count && __atomic_load_n(&uniobs_gate.rows[id].enabled, __ATOMIC_RELAXED);
}
/* An event of two words: one slot. Returns its time stamp (for ENTER_TIME), 0 when disabled. */
uint64_t uniobs_emit2(uint16_t id, uint32_t tid, uint64_t w0, uint64_t w1);
/* An event of n words, up to UNIOBS_WORDS_MAX; more are cut (the ring's truncated counts). */
uint64_t uniobs_emit(uint16_t id, uint32_t tid, const uint64_t *words, uint32_t n);
/* Append a BUF/PATH argument (at most max bytes of it) to words[n]; the new n. data may be NULL (length 0). */
uint32_t uniobs_pack(uint64_t *words, uint32_t n, const void *data, uint32_t length, uint32_t max);
#endif
/* SOCKADDR word: IPv4 address (network order, low 32 bits), port (host order, bits 32..47), family 4 in bits 48..55. */
#define UNIOBS_SOCKADDR4(addr, port) ((uint64_t)(uint32_t)(addr) | (uint64_t)(uint16_t)(port) << 32 | 4ull << 48)

/* --- log, packets ------------------------------------------------------------------------------------ */
#if UNIOBS_WITH_LOG
void uniobs_log(uint8_t level, uint32_t tid, const char *text, uint32_t length);
#endif
#if UNIOBS_WITH_PACKETS
void uniobs_packet(uint16_t iface, uint8_t dir, const void *frame, uint32_t length);
#endif

/* --- death -------------------------------------------------------------------------------------------- */
/* Copies regs (all but kind, message, stack_*) and up to panic_stack bytes from stack, stores kind last,
 * state = PANICKED. The first call wins. */
#if UNIOBS_WITH_PANIC
void uniobs_panic(uint32_t kind, const struct uniobs_panic *regs, const char *message, const void *stack, uint64_t stack_va, uint64_t stack_len);
#endif

/* --- a channel: transport-free half of the READ/DATA protocol ------------------------------------------ */
/* allowed() says whether guest-physical [address, address + size) may be read, and where those bytes lie in our own
 * address space; NULL refuses. Memory that can change before the reply has been sent (the region can) is to be
 * copied into a buffer first, and the buffer returned: the reply's CRC is over what is returned. */
typedef const void *(*uniobs_allowed_fn)(uint64_t address, uint32_t size);
#if UNIOBS_WITH_CHANNEL
/* Check the request frame; fill reply; the payload to send after it (reply->size bytes), or NULL for none.
 * Returns 0, or UNIOBS_EINVAL when the request is no frame (drop input until the next magic). */
int uniobs_answer(const struct uniobs_frame *request, uniobs_allowed_fn allowed, struct uniobs_frame *reply, const void **payload);
#endif

uint32_t uniobs_crc32(uint32_t crc, const void *data, uint64_t size); /* zlib's */

#include <uniobs/off.h>

#endif
