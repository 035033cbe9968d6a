/* Generated from guest-stubs/abi/schema.toml by generate.py: change that instead. */
#ifndef UNIOBS_ABI_H
#define UNIOBS_ABI_H

#include <stddef.h>
#include <stdint.h>

#define UNIOBS_MAJOR 1u
#define UNIOBS_MINOR 0u
#define UNIOBS_MAGIC { 0x8a, 0x55, 0x6e, 0x69, 0x4f, 0x62, 0x73, 0x2d, 0x52, 0x65, 0x67, 0x69, 0x6f, 0x6e, 0x0d, 0x0a }
#define UNIOBS_LIVE_OFFSET 256u
#define UNIOBS_DIRECTORY_OFFSET 512u
#define UNIOBS_FRAME_MAGIC 0x46424f55u /* "UOBF" */

/* section */
#define UNIOBS_SECTION_STRINGS 1
#define UNIOBS_SECTION_EVENTS 2
#define UNIOBS_SECTION_COUNTERS 3
#define UNIOBS_SECTION_THREADS 4
#define UNIOBS_SECTION_LOCKS 5
#define UNIOBS_SECTION_SOCKETS 6
#define UNIOBS_SECTION_HEAP 7
#define UNIOBS_SECTION_SITES 8
#define UNIOBS_SECTION_IFACES 9
#define UNIOBS_SECTION_LOG 10
#define UNIOBS_SECTION_TRACE 11
#define UNIOBS_SECTION_PACKETS 12
#define UNIOBS_SECTION_PANIC 13

/* state */
#define UNIOBS_STATE_INIT 0
#define UNIOBS_STATE_RUNNING 1
#define UNIOBS_STATE_PANICKED 2
#define UNIOBS_STATE_EXITED 3

/* flag */
#define UNIOBS_FLAG_HOSTED 1

/* thread_state */
#define UNIOBS_THREAD_STATE_FREE 0
#define UNIOBS_THREAD_STATE_RUNNING 1
#define UNIOBS_THREAD_STATE_READY 2
#define UNIOBS_THREAD_STATE_BLOCKED 3
#define UNIOBS_THREAD_STATE_SLEEPING 4
#define UNIOBS_THREAD_STATE_EXITED 5

/* thread_flag */
#define UNIOBS_THREAD_FLAG_IDLE 1

/* wait */
#define UNIOBS_WAIT_NONE 0
#define UNIOBS_WAIT_MUTEX 1
#define UNIOBS_WAIT_COND 2
#define UNIOBS_WAIT_SEM 3
#define UNIOBS_WAIT_SLEEP 4
#define UNIOBS_WAIT_JOIN 5
#define UNIOBS_WAIT_ACCEPT 6
#define UNIOBS_WAIT_RECV 7
#define UNIOBS_WAIT_SEND 8
#define UNIOBS_WAIT_CONNECT 9
#define UNIOBS_WAIT_MBOX 10
#define UNIOBS_WAIT_POLL 11
#define UNIOBS_WAIT_IRQ 12
#define UNIOBS_WAIT_OTHER 13

/* lock_kind */
#define UNIOBS_LOCK_KIND_FREE 0
#define UNIOBS_LOCK_KIND_MUTEX 1
#define UNIOBS_LOCK_KIND_COND 2
#define UNIOBS_LOCK_KIND_SEM 3
#define UNIOBS_LOCK_KIND_MBOX 4

/* fd_kind */
#define UNIOBS_FD_KIND_FREE 0
#define UNIOBS_FD_KIND_TCP 1
#define UNIOBS_FD_KIND_UDP 2
#define UNIOBS_FD_KIND_RAW 3
#define UNIOBS_FD_KIND_FILE 4

/* tcp */
#define UNIOBS_TCP_NONE 0
#define UNIOBS_TCP_ESTABLISHED 1
#define UNIOBS_TCP_SYN_SENT 2
#define UNIOBS_TCP_SYN_RECV 3
#define UNIOBS_TCP_FIN_WAIT1 4
#define UNIOBS_TCP_FIN_WAIT2 5
#define UNIOBS_TCP_TIME_WAIT 6
#define UNIOBS_TCP_CLOSE 7
#define UNIOBS_TCP_CLOSE_WAIT 8
#define UNIOBS_TCP_LAST_ACK 9
#define UNIOBS_TCP_LISTEN 10
#define UNIOBS_TCP_CLOSING 11

/* counter_kind */
#define UNIOBS_COUNTER_KIND_FREE 0
#define UNIOBS_COUNTER_KIND_COUNTER 1
#define UNIOBS_COUNTER_KIND_GAUGE 2

/* unit */
#define UNIOBS_UNIT_NONE 0
#define UNIOBS_UNIT_BYTES 1
#define UNIOBS_UNIT_PACKETS 2
#define UNIOBS_UNIT_NANOSECONDS 3
#define UNIOBS_UNIT_EVENTS 4

/* phase */
#define UNIOBS_PHASE_INSTANT 0
#define UNIOBS_PHASE_ENTER 1
#define UNIOBS_PHASE_EXIT 2

/* category */
#define UNIOBS_CATEGORY_OTHER 0
#define UNIOBS_CATEGORY_SYSCALL 1
#define UNIOBS_CATEGORY_SCHED 2
#define UNIOBS_CATEGORY_LOCK 3
#define UNIOBS_CATEGORY_NET 4
#define UNIOBS_CATEGORY_IRQ 5
#define UNIOBS_CATEGORY_MEMORY 6

/* arg */
#define UNIOBS_ARG_NONE 0
#define UNIOBS_ARG_U64 1
#define UNIOBS_ARG_I64 2
#define UNIOBS_ARG_HEX 3
#define UNIOBS_ARG_PTR 4
#define UNIOBS_ARG_SIZE 5
#define UNIOBS_ARG_FD 6
#define UNIOBS_ARG_TID 7
#define UNIOBS_ARG_LOCK 8
#define UNIOBS_ARG_STRING 9
#define UNIOBS_ARG_OPEN_FLAGS 10
#define UNIOBS_ARG_MSG_FLAGS 11
#define UNIOBS_ARG_MODE 12
#define UNIOBS_ARG_SOCK_DOMAIN 13
#define UNIOBS_ARG_SOCK_TYPE 14
#define UNIOBS_ARG_SOCK_PROTO 15
#define UNIOBS_ARG_SOCKADDR 16
#define UNIOBS_ARG_RET 17
#define UNIOBS_ARG_ENTER_TIME 18
#define UNIOBS_ARG_NS 19
#define UNIOBS_ARG_SHUT_HOW 20
#define UNIOBS_ARG_SOCK_LEVEL 21
#define UNIOBS_ARG_SOCK_OPT 22
#define UNIOBS_ARG_WAIT 23
#define UNIOBS_ARG_THREAD_STATE 24
#define UNIOBS_ARG_PATH 32
#define UNIOBS_ARG_BUF 33

/* level */
#define UNIOBS_LEVEL_EMERG 0
#define UNIOBS_LEVEL_ALERT 1
#define UNIOBS_LEVEL_CRIT 2
#define UNIOBS_LEVEL_ERR 3
#define UNIOBS_LEVEL_WARN 4
#define UNIOBS_LEVEL_NOTICE 5
#define UNIOBS_LEVEL_INFO 6
#define UNIOBS_LEVEL_DEBUG 7

/* dir */
#define UNIOBS_DIR_RX 0
#define UNIOBS_DIR_TX 1

/* panic */
#define UNIOBS_PANIC_NONE 0
#define UNIOBS_PANIC_EXCEPTION 1
#define UNIOBS_PANIC_ASSERT 2
#define UNIOBS_PANIC_STACK_SMASH 3
#define UNIOBS_PANIC_STACK_OVERFLOW 4
#define UNIOBS_PANIC_OOM 5
#define UNIOBS_PANIC_ABORT 6

/* event */
#define UNIOBS_EVENT_NONE 0
#define UNIOBS_EVENT_LOG 1
#define UNIOBS_EVENT_SWITCH 2
#define UNIOBS_EVENT_FIRST 16

/* slot */
#define UNIOBS_SLOT_ID_MASK 4095
#define UNIOBS_SLOT_N_SHIFT 12
#define UNIOBS_SLOT_MAX 15
#define UNIOBS_SLOT_CONT 15

/* frame */
#define UNIOBS_FRAME_READ 1
#define UNIOBS_FRAME_DATA 2
#define UNIOBS_FRAME_REFUSED 3
#define UNIOBS_FRAME_HELLO 4

/* Fixed once initialised; crc guards it and the directory. */
struct uniobs_header {
	uint8_t magic[16];
	uint16_t major;
	uint16_t minor;
	uint32_t header_size;
	uint64_t self_pa;
	uint64_t self_va;
	uint64_t size;
	uint32_t section_count;
	uint32_t cpu_count;
	uint32_t tsc_khz;
	uint16_t arch;
	uint16_t flags;
	uint64_t anchor_tsc;
	uint64_t anchor_wall_ns;
	uint8_t boot_id[16];
	uint8_t image_id[20];
	uint32_t image_id_len;
	uint64_t image_bias;
	uint8_t kernel[24];
	uint8_t app[24];
	uint8_t switch_regs[8];
	uint32_t switch_size;
	uint32_t os_pid;
	uint8_t reserved[60];
	uint32_t crc;
};
_Static_assert(sizeof(struct uniobs_header) == 256, "header");
_Static_assert(offsetof(struct uniobs_header, magic) == 0, "header.magic");
_Static_assert(offsetof(struct uniobs_header, major) == 16, "header.major");
_Static_assert(offsetof(struct uniobs_header, minor) == 18, "header.minor");
_Static_assert(offsetof(struct uniobs_header, header_size) == 20, "header.header_size");
_Static_assert(offsetof(struct uniobs_header, self_pa) == 24, "header.self_pa");
_Static_assert(offsetof(struct uniobs_header, self_va) == 32, "header.self_va");
_Static_assert(offsetof(struct uniobs_header, size) == 40, "header.size");
_Static_assert(offsetof(struct uniobs_header, section_count) == 48, "header.section_count");
_Static_assert(offsetof(struct uniobs_header, cpu_count) == 52, "header.cpu_count");
_Static_assert(offsetof(struct uniobs_header, tsc_khz) == 56, "header.tsc_khz");
_Static_assert(offsetof(struct uniobs_header, arch) == 60, "header.arch");
_Static_assert(offsetof(struct uniobs_header, flags) == 62, "header.flags");
_Static_assert(offsetof(struct uniobs_header, anchor_tsc) == 64, "header.anchor_tsc");
_Static_assert(offsetof(struct uniobs_header, anchor_wall_ns) == 72, "header.anchor_wall_ns");
_Static_assert(offsetof(struct uniobs_header, boot_id) == 80, "header.boot_id");
_Static_assert(offsetof(struct uniobs_header, image_id) == 96, "header.image_id");
_Static_assert(offsetof(struct uniobs_header, image_id_len) == 116, "header.image_id_len");
_Static_assert(offsetof(struct uniobs_header, image_bias) == 120, "header.image_bias");
_Static_assert(offsetof(struct uniobs_header, kernel) == 128, "header.kernel");
_Static_assert(offsetof(struct uniobs_header, app) == 152, "header.app");
_Static_assert(offsetof(struct uniobs_header, switch_regs) == 176, "header.switch_regs");
_Static_assert(offsetof(struct uniobs_header, switch_size) == 184, "header.switch_size");
_Static_assert(offsetof(struct uniobs_header, os_pid) == 188, "header.os_pid");
_Static_assert(offsetof(struct uniobs_header, reserved) == 192, "header.reserved");
_Static_assert(offsetof(struct uniobs_header, crc) == 252, "header.crc");

/* At offset 256: what changes while the guest runs. */
struct uniobs_header_live {
	uint32_t state;
	int32_t exit_code;
	uint64_t beat_count;
	uint64_t beat_tsc;
	uint64_t tick_count;
	uint64_t tick_tsc;
	uint32_t current_tid;
	uint32_t ready_count;
	uint64_t thread_overflow;
	uint64_t lock_overflow;
	uint64_t socket_overflow;
	uint64_t site_overflow;
	uint64_t trace_off;
	uint64_t string_overflow;
	uint32_t check;
	uint8_t reserved[28];
};
_Static_assert(sizeof(struct uniobs_header_live) == 128, "header_live");
_Static_assert(offsetof(struct uniobs_header_live, state) == 0, "header_live.state");
_Static_assert(offsetof(struct uniobs_header_live, exit_code) == 4, "header_live.exit_code");
_Static_assert(offsetof(struct uniobs_header_live, beat_count) == 8, "header_live.beat_count");
_Static_assert(offsetof(struct uniobs_header_live, beat_tsc) == 16, "header_live.beat_tsc");
_Static_assert(offsetof(struct uniobs_header_live, tick_count) == 24, "header_live.tick_count");
_Static_assert(offsetof(struct uniobs_header_live, tick_tsc) == 32, "header_live.tick_tsc");
_Static_assert(offsetof(struct uniobs_header_live, current_tid) == 40, "header_live.current_tid");
_Static_assert(offsetof(struct uniobs_header_live, ready_count) == 44, "header_live.ready_count");
_Static_assert(offsetof(struct uniobs_header_live, thread_overflow) == 48, "header_live.thread_overflow");
_Static_assert(offsetof(struct uniobs_header_live, lock_overflow) == 56, "header_live.lock_overflow");
_Static_assert(offsetof(struct uniobs_header_live, socket_overflow) == 64, "header_live.socket_overflow");
_Static_assert(offsetof(struct uniobs_header_live, site_overflow) == 72, "header_live.site_overflow");
_Static_assert(offsetof(struct uniobs_header_live, trace_off) == 80, "header_live.trace_off");
_Static_assert(offsetof(struct uniobs_header_live, string_overflow) == 88, "header_live.string_overflow");
_Static_assert(offsetof(struct uniobs_header_live, check) == 96, "header_live.check");
_Static_assert(offsetof(struct uniobs_header_live, reserved) == 100, "header_live.reserved");

/* At offset 512: the directory. */
struct uniobs_section {
	uint32_t kind;
	uint32_t index;
	uint64_t offset;
	uint64_t size;
	uint32_t entry_size;
	uint32_t entry_count;
};
_Static_assert(sizeof(struct uniobs_section) == 32, "section");
_Static_assert(offsetof(struct uniobs_section, kind) == 0, "section.kind");
_Static_assert(offsetof(struct uniobs_section, index) == 4, "section.index");
_Static_assert(offsetof(struct uniobs_section, offset) == 8, "section.offset");
_Static_assert(offsetof(struct uniobs_section, size) == 16, "section.size");
_Static_assert(offsetof(struct uniobs_section, entry_size) == 24, "section.entry_size");
_Static_assert(offsetof(struct uniobs_section, entry_count) == 28, "section.entry_count");

/* Head of the string section. Strings follow: a u32 check, NUL-terminated UTF-8. Offsets count from the section's start to the text. */
struct uniobs_strings {
	uint32_t used;
	uint32_t reserved;
};
_Static_assert(sizeof(struct uniobs_strings) == 8, "strings");
_Static_assert(offsetof(struct uniobs_strings, used) == 0, "strings.used");
_Static_assert(offsetof(struct uniobs_strings, reserved) == 4, "strings.reserved");

struct uniobs_event_arg {
	uint8_t kind;
	uint8_t pos;
	uint16_t name;
};
_Static_assert(sizeof(struct uniobs_event_arg) == 4, "event_arg");
_Static_assert(offsetof(struct uniobs_event_arg, kind) == 0, "event_arg.kind");
_Static_assert(offsetof(struct uniobs_event_arg, pos) == 1, "event_arg.pos");
_Static_assert(offsetof(struct uniobs_event_arg, name) == 2, "event_arg.name");

struct uniobs_event {
	uint32_t name;
	uint16_t id;
	uint16_t pair;
	uint8_t phase;
	uint8_t category;
	uint8_t nargs;
	uint8_t enabled;
	uint8_t args[48];
	uint32_t check;
};
_Static_assert(sizeof(struct uniobs_event) == 64, "event");
_Static_assert(offsetof(struct uniobs_event, name) == 0, "event.name");
_Static_assert(offsetof(struct uniobs_event, id) == 4, "event.id");
_Static_assert(offsetof(struct uniobs_event, pair) == 6, "event.pair");
_Static_assert(offsetof(struct uniobs_event, phase) == 8, "event.phase");
_Static_assert(offsetof(struct uniobs_event, category) == 9, "event.category");
_Static_assert(offsetof(struct uniobs_event, nargs) == 10, "event.nargs");
_Static_assert(offsetof(struct uniobs_event, enabled) == 11, "event.enabled");
_Static_assert(offsetof(struct uniobs_event, args) == 12, "event.args");
_Static_assert(offsetof(struct uniobs_event, check) == 60, "event.check");

/* inverse is ~value. check guards name, kind and unit. */
struct uniobs_counter {
	uint32_t name;
	uint16_t kind;
	uint16_t unit;
	uint64_t value;
	uint64_t inverse;
	uint32_t check;
	uint32_t reserved;
};
_Static_assert(sizeof(struct uniobs_counter) == 32, "counter");
_Static_assert(offsetof(struct uniobs_counter, name) == 0, "counter.name");
_Static_assert(offsetof(struct uniobs_counter, kind) == 4, "counter.kind");
_Static_assert(offsetof(struct uniobs_counter, unit) == 6, "counter.unit");
_Static_assert(offsetof(struct uniobs_counter, value) == 8, "counter.value");
_Static_assert(offsetof(struct uniobs_counter, inverse) == 16, "counter.inverse");
_Static_assert(offsetof(struct uniobs_counter, check) == 24, "counter.check");
_Static_assert(offsetof(struct uniobs_counter, reserved) == 28, "counter.reserved");

struct uniobs_thread {
	uint32_t seq;
	uint32_t check;
	uint32_t tid;
	uint32_t cpu;
	uint8_t state;
	uint8_t wait;
	uint16_t flags;
	uint32_t pad;
	uint64_t wait_obj;
	uint64_t wait_since;
	uint64_t wait_until;
	uint64_t cpu_ticks;
	uint64_t on_cpu_since;
	uint64_t switches;
	uint64_t started;
	uint64_t entry;
	uint64_t stack_lo;
	uint64_t stack_hi;
	uint64_t saved_sp;
	uint64_t stack_low_mark;
	uint32_t os_tid;
	int32_t wait_fd;
	uint64_t ticks_sampled;
	uint8_t name[32];
	uint8_t reserved[24];
};
_Static_assert(sizeof(struct uniobs_thread) == 192, "thread");
_Static_assert(offsetof(struct uniobs_thread, seq) == 0, "thread.seq");
_Static_assert(offsetof(struct uniobs_thread, check) == 4, "thread.check");
_Static_assert(offsetof(struct uniobs_thread, tid) == 8, "thread.tid");
_Static_assert(offsetof(struct uniobs_thread, cpu) == 12, "thread.cpu");
_Static_assert(offsetof(struct uniobs_thread, state) == 16, "thread.state");
_Static_assert(offsetof(struct uniobs_thread, wait) == 17, "thread.wait");
_Static_assert(offsetof(struct uniobs_thread, flags) == 18, "thread.flags");
_Static_assert(offsetof(struct uniobs_thread, pad) == 20, "thread.pad");
_Static_assert(offsetof(struct uniobs_thread, wait_obj) == 24, "thread.wait_obj");
_Static_assert(offsetof(struct uniobs_thread, wait_since) == 32, "thread.wait_since");
_Static_assert(offsetof(struct uniobs_thread, wait_until) == 40, "thread.wait_until");
_Static_assert(offsetof(struct uniobs_thread, cpu_ticks) == 48, "thread.cpu_ticks");
_Static_assert(offsetof(struct uniobs_thread, on_cpu_since) == 56, "thread.on_cpu_since");
_Static_assert(offsetof(struct uniobs_thread, switches) == 64, "thread.switches");
_Static_assert(offsetof(struct uniobs_thread, started) == 72, "thread.started");
_Static_assert(offsetof(struct uniobs_thread, entry) == 80, "thread.entry");
_Static_assert(offsetof(struct uniobs_thread, stack_lo) == 88, "thread.stack_lo");
_Static_assert(offsetof(struct uniobs_thread, stack_hi) == 96, "thread.stack_hi");
_Static_assert(offsetof(struct uniobs_thread, saved_sp) == 104, "thread.saved_sp");
_Static_assert(offsetof(struct uniobs_thread, stack_low_mark) == 112, "thread.stack_low_mark");
_Static_assert(offsetof(struct uniobs_thread, os_tid) == 120, "thread.os_tid");
_Static_assert(offsetof(struct uniobs_thread, wait_fd) == 124, "thread.wait_fd");
_Static_assert(offsetof(struct uniobs_thread, ticks_sampled) == 128, "thread.ticks_sampled");
_Static_assert(offsetof(struct uniobs_thread, name) == 136, "thread.name");
_Static_assert(offsetof(struct uniobs_thread, reserved) == 168, "thread.reserved");

struct uniobs_lock {
	uint32_t seq;
	uint32_t check;
	uint64_t va;
	uint8_t kind;
	uint8_t pad;
	uint16_t waiters;
	uint32_t owner_tid;
	int32_t value;
	uint32_t pad2;
	uint64_t acquired;
	uint64_t acquire_pc;
	uint64_t contended;
	uint64_t acquisitions;
	uint8_t name[32];
};
_Static_assert(sizeof(struct uniobs_lock) == 96, "lock");
_Static_assert(offsetof(struct uniobs_lock, seq) == 0, "lock.seq");
_Static_assert(offsetof(struct uniobs_lock, check) == 4, "lock.check");
_Static_assert(offsetof(struct uniobs_lock, va) == 8, "lock.va");
_Static_assert(offsetof(struct uniobs_lock, kind) == 16, "lock.kind");
_Static_assert(offsetof(struct uniobs_lock, pad) == 17, "lock.pad");
_Static_assert(offsetof(struct uniobs_lock, waiters) == 18, "lock.waiters");
_Static_assert(offsetof(struct uniobs_lock, owner_tid) == 20, "lock.owner_tid");
_Static_assert(offsetof(struct uniobs_lock, value) == 24, "lock.value");
_Static_assert(offsetof(struct uniobs_lock, pad2) == 28, "lock.pad2");
_Static_assert(offsetof(struct uniobs_lock, acquired) == 32, "lock.acquired");
_Static_assert(offsetof(struct uniobs_lock, acquire_pc) == 40, "lock.acquire_pc");
_Static_assert(offsetof(struct uniobs_lock, contended) == 48, "lock.contended");
_Static_assert(offsetof(struct uniobs_lock, acquisitions) == 56, "lock.acquisitions");
_Static_assert(offsetof(struct uniobs_lock, name) == 64, "lock.name");

struct uniobs_socket {
	uint32_t seq;
	uint32_t check;
	uint64_t id;
	uint8_t kind;
	uint8_t state;
	uint8_t family;
	uint8_t pad;
	int32_t fd;
	uint32_t owner_tid;
	uint32_t pad2;
	uint8_t laddr[16];
	uint8_t raddr[16];
	uint16_t lport;
	uint16_t rport;
	uint16_t backlog;
	uint16_t backlog_max;
	uint32_t recvq;
	uint32_t sendq;
	uint64_t rx_bytes;
	uint64_t tx_bytes;
	uint64_t opened;
	uint32_t retransmits;
	uint32_t cwnd;
	uint32_t rtt_us;
	uint32_t mss;
	uint8_t path[48];
	uint8_t reserved[24];
};
_Static_assert(sizeof(struct uniobs_socket) == 192, "socket");
_Static_assert(offsetof(struct uniobs_socket, seq) == 0, "socket.seq");
_Static_assert(offsetof(struct uniobs_socket, check) == 4, "socket.check");
_Static_assert(offsetof(struct uniobs_socket, id) == 8, "socket.id");
_Static_assert(offsetof(struct uniobs_socket, kind) == 16, "socket.kind");
_Static_assert(offsetof(struct uniobs_socket, state) == 17, "socket.state");
_Static_assert(offsetof(struct uniobs_socket, family) == 18, "socket.family");
_Static_assert(offsetof(struct uniobs_socket, pad) == 19, "socket.pad");
_Static_assert(offsetof(struct uniobs_socket, fd) == 20, "socket.fd");
_Static_assert(offsetof(struct uniobs_socket, owner_tid) == 24, "socket.owner_tid");
_Static_assert(offsetof(struct uniobs_socket, pad2) == 28, "socket.pad2");
_Static_assert(offsetof(struct uniobs_socket, laddr) == 32, "socket.laddr");
_Static_assert(offsetof(struct uniobs_socket, raddr) == 48, "socket.raddr");
_Static_assert(offsetof(struct uniobs_socket, lport) == 64, "socket.lport");
_Static_assert(offsetof(struct uniobs_socket, rport) == 66, "socket.rport");
_Static_assert(offsetof(struct uniobs_socket, backlog) == 68, "socket.backlog");
_Static_assert(offsetof(struct uniobs_socket, backlog_max) == 70, "socket.backlog_max");
_Static_assert(offsetof(struct uniobs_socket, recvq) == 72, "socket.recvq");
_Static_assert(offsetof(struct uniobs_socket, sendq) == 76, "socket.sendq");
_Static_assert(offsetof(struct uniobs_socket, rx_bytes) == 80, "socket.rx_bytes");
_Static_assert(offsetof(struct uniobs_socket, tx_bytes) == 88, "socket.tx_bytes");
_Static_assert(offsetof(struct uniobs_socket, opened) == 96, "socket.opened");
_Static_assert(offsetof(struct uniobs_socket, retransmits) == 104, "socket.retransmits");
_Static_assert(offsetof(struct uniobs_socket, cwnd) == 108, "socket.cwnd");
_Static_assert(offsetof(struct uniobs_socket, rtt_us) == 112, "socket.rtt_us");
_Static_assert(offsetof(struct uniobs_socket, mss) == 116, "socket.mss");
_Static_assert(offsetof(struct uniobs_socket, path) == 120, "socket.path");
_Static_assert(offsetof(struct uniobs_socket, reserved) == 168, "socket.reserved");

struct uniobs_heap {
	uint32_t seq;
	uint32_t check;
	uint64_t total;
	uint64_t used;
	uint64_t peak;
	uint64_t largest_free;
	uint64_t allocs;
	uint64_t frees;
	uint64_t failures;
};
_Static_assert(sizeof(struct uniobs_heap) == 64, "heap");
_Static_assert(offsetof(struct uniobs_heap, seq) == 0, "heap.seq");
_Static_assert(offsetof(struct uniobs_heap, check) == 4, "heap.check");
_Static_assert(offsetof(struct uniobs_heap, total) == 8, "heap.total");
_Static_assert(offsetof(struct uniobs_heap, used) == 16, "heap.used");
_Static_assert(offsetof(struct uniobs_heap, peak) == 24, "heap.peak");
_Static_assert(offsetof(struct uniobs_heap, largest_free) == 32, "heap.largest_free");
_Static_assert(offsetof(struct uniobs_heap, allocs) == 40, "heap.allocs");
_Static_assert(offsetof(struct uniobs_heap, frees) == 48, "heap.frees");
_Static_assert(offsetof(struct uniobs_heap, failures) == 56, "heap.failures");

/* Allocations by call site. One writer context at a time. */
struct uniobs_site {
	uint32_t seq;
	uint32_t check;
	uint64_t pc;
	uint64_t live_bytes;
	uint64_t live_count;
	uint64_t total_bytes;
	uint64_t total_count;
};
_Static_assert(sizeof(struct uniobs_site) == 48, "site");
_Static_assert(offsetof(struct uniobs_site, seq) == 0, "site.seq");
_Static_assert(offsetof(struct uniobs_site, check) == 4, "site.check");
_Static_assert(offsetof(struct uniobs_site, pc) == 8, "site.pc");
_Static_assert(offsetof(struct uniobs_site, live_bytes) == 16, "site.live_bytes");
_Static_assert(offsetof(struct uniobs_site, live_count) == 24, "site.live_count");
_Static_assert(offsetof(struct uniobs_site, total_bytes) == 32, "site.total_bytes");
_Static_assert(offsetof(struct uniobs_site, total_count) == 40, "site.total_count");

struct uniobs_iface {
	uint32_t seq;
	uint32_t check;
	uint32_t index;
	uint8_t name[16];
	uint8_t mac[6];
	uint16_t mtu;
	uint32_t flags;
	uint32_t prefix;
	uint8_t addr[16];
	uint32_t pad;
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t rx_dropped;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t tx_dropped;
	uint64_t rx_errors;
	uint64_t tx_errors;
};
_Static_assert(sizeof(struct uniobs_iface) == 128, "iface");
_Static_assert(offsetof(struct uniobs_iface, seq) == 0, "iface.seq");
_Static_assert(offsetof(struct uniobs_iface, check) == 4, "iface.check");
_Static_assert(offsetof(struct uniobs_iface, index) == 8, "iface.index");
_Static_assert(offsetof(struct uniobs_iface, name) == 12, "iface.name");
_Static_assert(offsetof(struct uniobs_iface, mac) == 28, "iface.mac");
_Static_assert(offsetof(struct uniobs_iface, mtu) == 34, "iface.mtu");
_Static_assert(offsetof(struct uniobs_iface, flags) == 36, "iface.flags");
_Static_assert(offsetof(struct uniobs_iface, prefix) == 40, "iface.prefix");
_Static_assert(offsetof(struct uniobs_iface, addr) == 44, "iface.addr");
_Static_assert(offsetof(struct uniobs_iface, pad) == 60, "iface.pad");
_Static_assert(offsetof(struct uniobs_iface, rx_packets) == 64, "iface.rx_packets");
_Static_assert(offsetof(struct uniobs_iface, rx_bytes) == 72, "iface.rx_bytes");
_Static_assert(offsetof(struct uniobs_iface, rx_dropped) == 80, "iface.rx_dropped");
_Static_assert(offsetof(struct uniobs_iface, tx_packets) == 88, "iface.tx_packets");
_Static_assert(offsetof(struct uniobs_iface, tx_bytes) == 96, "iface.tx_bytes");
_Static_assert(offsetof(struct uniobs_iface, tx_dropped) == 104, "iface.tx_dropped");
_Static_assert(offsetof(struct uniobs_iface, rx_errors) == 112, "iface.rx_errors");
_Static_assert(offsetof(struct uniobs_iface, tx_errors) == 120, "iface.tx_errors");

/* Head of a log, trace or packet ring; slots follow. */
struct uniobs_ring {
	uint64_t head;
	uint64_t events;
	uint64_t truncated;
	uint32_t owner;
	uint32_t flags;
	uint8_t reserved[32];
};
_Static_assert(sizeof(struct uniobs_ring) == 64, "ring");
_Static_assert(offsetof(struct uniobs_ring, head) == 0, "ring.head");
_Static_assert(offsetof(struct uniobs_ring, events) == 8, "ring.events");
_Static_assert(offsetof(struct uniobs_ring, truncated) == 16, "ring.truncated");
_Static_assert(offsetof(struct uniobs_ring, owner) == 24, "ring.owner");
_Static_assert(offsetof(struct uniobs_ring, flags) == 28, "ring.flags");
_Static_assert(offsetof(struct uniobs_ring, reserved) == 32, "ring.reserved");

/* First slot of an event (log and trace rings). */
struct uniobs_slot {
	uint32_t seq;
	uint16_t info;
	uint16_t tid;
	uint64_t time;
	uint64_t w0;
	uint64_t w1;
};
_Static_assert(sizeof(struct uniobs_slot) == 32, "slot");
_Static_assert(offsetof(struct uniobs_slot, seq) == 0, "slot.seq");
_Static_assert(offsetof(struct uniobs_slot, info) == 4, "slot.info");
_Static_assert(offsetof(struct uniobs_slot, tid) == 6, "slot.tid");
_Static_assert(offsetof(struct uniobs_slot, time) == 8, "slot.time");
_Static_assert(offsetof(struct uniobs_slot, w0) == 16, "slot.w0");
_Static_assert(offsetof(struct uniobs_slot, w1) == 24, "slot.w1");

/* Second and further slots of an event. */
struct uniobs_slot_cont {
	uint32_t seq;
	uint16_t info;
	uint16_t part;
	uint64_t w0;
	uint64_t w1;
	uint64_t w2;
};
_Static_assert(sizeof(struct uniobs_slot_cont) == 32, "slot_cont");
_Static_assert(offsetof(struct uniobs_slot_cont, seq) == 0, "slot_cont.seq");
_Static_assert(offsetof(struct uniobs_slot_cont, info) == 4, "slot_cont.info");
_Static_assert(offsetof(struct uniobs_slot_cont, part) == 6, "slot_cont.part");
_Static_assert(offsetof(struct uniobs_slot_cont, w0) == 8, "slot_cont.w0");
_Static_assert(offsetof(struct uniobs_slot_cont, w1) == 16, "slot_cont.w1");
_Static_assert(offsetof(struct uniobs_slot_cont, w2) == 24, "slot_cont.w2");

/* Head of a packet slot; the first cap_len bytes of the frame follow. */
struct uniobs_packet {
	uint32_t seq;
	uint16_t iface;
	uint8_t dir;
	uint8_t pad;
	uint64_t time;
	uint32_t orig_len;
	uint32_t cap_len;
	uint64_t reserved;
};
_Static_assert(sizeof(struct uniobs_packet) == 32, "packet");
_Static_assert(offsetof(struct uniobs_packet, seq) == 0, "packet.seq");
_Static_assert(offsetof(struct uniobs_packet, iface) == 4, "packet.iface");
_Static_assert(offsetof(struct uniobs_packet, dir) == 6, "packet.dir");
_Static_assert(offsetof(struct uniobs_packet, pad) == 7, "packet.pad");
_Static_assert(offsetof(struct uniobs_packet, time) == 8, "packet.time");
_Static_assert(offsetof(struct uniobs_packet, orig_len) == 16, "packet.orig_len");
_Static_assert(offsetof(struct uniobs_packet, cap_len) == 20, "packet.cap_len");
_Static_assert(offsetof(struct uniobs_packet, reserved) == 24, "packet.reserved");

/* The panic record; kind is stored last. The stack copy follows the struct inside its section. */
struct uniobs_panic {
	uint32_t kind;
	uint32_t vector;
	uint64_t error;
	uint64_t time;
	uint32_t tid;
	uint32_t cpu;
	uint64_t rax;
	uint64_t rbx;
	uint64_t rcx;
	uint64_t rdx;
	uint64_t rsi;
	uint64_t rdi;
	uint64_t rbp;
	uint64_t rsp;
	uint64_t r8;
	uint64_t r9;
	uint64_t r10;
	uint64_t r11;
	uint64_t r12;
	uint64_t r13;
	uint64_t r14;
	uint64_t r15;
	uint64_t rip;
	uint64_t rflags;
	uint64_t cs;
	uint64_t ss;
	uint64_t cr0;
	uint64_t cr2;
	uint64_t cr3;
	uint64_t cr4;
	uint8_t message[192];
	uint64_t stack_va;
	uint64_t stack_len;
	uint32_t check;
	uint32_t stack_check;
	uint8_t reserved[72];
};
_Static_assert(sizeof(struct uniobs_panic) == 512, "panic");
_Static_assert(offsetof(struct uniobs_panic, kind) == 0, "panic.kind");
_Static_assert(offsetof(struct uniobs_panic, vector) == 4, "panic.vector");
_Static_assert(offsetof(struct uniobs_panic, error) == 8, "panic.error");
_Static_assert(offsetof(struct uniobs_panic, time) == 16, "panic.time");
_Static_assert(offsetof(struct uniobs_panic, tid) == 24, "panic.tid");
_Static_assert(offsetof(struct uniobs_panic, cpu) == 28, "panic.cpu");
_Static_assert(offsetof(struct uniobs_panic, rax) == 32, "panic.rax");
_Static_assert(offsetof(struct uniobs_panic, rbx) == 40, "panic.rbx");
_Static_assert(offsetof(struct uniobs_panic, rcx) == 48, "panic.rcx");
_Static_assert(offsetof(struct uniobs_panic, rdx) == 56, "panic.rdx");
_Static_assert(offsetof(struct uniobs_panic, rsi) == 64, "panic.rsi");
_Static_assert(offsetof(struct uniobs_panic, rdi) == 72, "panic.rdi");
_Static_assert(offsetof(struct uniobs_panic, rbp) == 80, "panic.rbp");
_Static_assert(offsetof(struct uniobs_panic, rsp) == 88, "panic.rsp");
_Static_assert(offsetof(struct uniobs_panic, r8) == 96, "panic.r8");
_Static_assert(offsetof(struct uniobs_panic, r9) == 104, "panic.r9");
_Static_assert(offsetof(struct uniobs_panic, r10) == 112, "panic.r10");
_Static_assert(offsetof(struct uniobs_panic, r11) == 120, "panic.r11");
_Static_assert(offsetof(struct uniobs_panic, r12) == 128, "panic.r12");
_Static_assert(offsetof(struct uniobs_panic, r13) == 136, "panic.r13");
_Static_assert(offsetof(struct uniobs_panic, r14) == 144, "panic.r14");
_Static_assert(offsetof(struct uniobs_panic, r15) == 152, "panic.r15");
_Static_assert(offsetof(struct uniobs_panic, rip) == 160, "panic.rip");
_Static_assert(offsetof(struct uniobs_panic, rflags) == 168, "panic.rflags");
_Static_assert(offsetof(struct uniobs_panic, cs) == 176, "panic.cs");
_Static_assert(offsetof(struct uniobs_panic, ss) == 184, "panic.ss");
_Static_assert(offsetof(struct uniobs_panic, cr0) == 192, "panic.cr0");
_Static_assert(offsetof(struct uniobs_panic, cr2) == 200, "panic.cr2");
_Static_assert(offsetof(struct uniobs_panic, cr3) == 208, "panic.cr3");
_Static_assert(offsetof(struct uniobs_panic, cr4) == 216, "panic.cr4");
_Static_assert(offsetof(struct uniobs_panic, message) == 224, "panic.message");
_Static_assert(offsetof(struct uniobs_panic, stack_va) == 416, "panic.stack_va");
_Static_assert(offsetof(struct uniobs_panic, stack_len) == 424, "panic.stack_len");
_Static_assert(offsetof(struct uniobs_panic, check) == 432, "panic.check");
_Static_assert(offsetof(struct uniobs_panic, stack_check) == 436, "panic.stack_check");
_Static_assert(offsetof(struct uniobs_panic, reserved) == 440, "panic.reserved");

/* Head of every message on a channel. READ carries no payload; DATA carries size bytes. HELLO is a READ whose answer is DATA with the header page and address = self_pa. */
struct uniobs_frame {
	uint32_t magic;
	uint32_t type;
	uint32_t id;
	uint32_t size;
	uint64_t address;
	uint64_t time;
	uint32_t payload_crc;
	uint32_t crc;
};
_Static_assert(sizeof(struct uniobs_frame) == 40, "frame");
_Static_assert(offsetof(struct uniobs_frame, magic) == 0, "frame.magic");
_Static_assert(offsetof(struct uniobs_frame, type) == 4, "frame.type");
_Static_assert(offsetof(struct uniobs_frame, id) == 8, "frame.id");
_Static_assert(offsetof(struct uniobs_frame, size) == 12, "frame.size");
_Static_assert(offsetof(struct uniobs_frame, address) == 16, "frame.address");
_Static_assert(offsetof(struct uniobs_frame, time) == 24, "frame.time");
_Static_assert(offsetof(struct uniobs_frame, payload_crc) == 32, "frame.payload_crc");
_Static_assert(offsetof(struct uniobs_frame, crc) == 36, "frame.crc");

#endif
