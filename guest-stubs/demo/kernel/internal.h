/* internal.h - what the kernel's files share among themselves. */
#ifndef DEMO_INTERNAL_H
#define DEMO_INTERNAL_H

#include "../kernel.h"
#include "cpu.h"

#define PAGE 4096ull
#define TICK_HZ 100u
#define VECTOR_GSI 0x30u      /* + gsi, up to 0x5f */
#define VECTOR_TIMER 0xe0u
#define VECTOR_SPURIOUS 0xffu
#define GSI_MAX 48u

/* What entry.S pushes; panic_frame has the same shape. */
struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

struct thread {
	uint64_t sp;              /* first: entry.S */
	struct thread *next;      /* in the ready queue or in a wait queue */
	struct thread *sleep_next;
	struct waitq *waitq;
	uint64_t wake;            /* TSC, 0 = not in the sleep queue */
	bool timed_out;
	uint8_t state, wait;
	uint32_t tid;
	int32_t wait_fd;
	uint64_t wait_obj;
	bool say;                 /* thread_set_wait: what to report instead of the primitive */
	uint8_t say_wait;
	int32_t say_fd;
	uint64_t say_obj;
	uint64_t lock_pc;         /* while it waits for a mutex: where it asked */
	uint64_t stack_lo, stack_hi, entry;
	uint64_t switches, cpu_ticks, on_cpu_since;
	uniobs_thread_t *row;
	char name[32];
};

#define THREADS_MAX 64u
extern struct thread threads[THREADS_MAX];
extern struct thread *current;
extern struct thread *idle_thread;

struct memory_range { uint64_t start, end; };
#define RANGES_MAX 16u
extern struct memory_range ram[RANGES_MAX];
extern unsigned ram_count;
extern char __image_start[], __text_start[], __text_end[], __rodata_end[], __bss_start[], __bss_end[], __image_end[];

/* pvh.c */
void pvh_read(uint64_t start_info);
/* desc.c */
void desc_init(void);
#define IST_FAULT 1
#define IST_DOUBLE 2
/* paging.c */
void paging_init(void);
void page_map(uint64_t va, uint64_t flags); /* identity; flags 0 = unmapped */
#define PTE_P 1ull
#define PTE_W 2ull
#define PTE_UNCACHED 0x18ull
#define PTE_LARGE 0x80ull
#define PTE_NX (1ull << 63)
/* stacks.c */
bool stack_alloc(size_t size, uint64_t *lo, uint64_t *hi);
void stack_free(uint64_t hi);
bool stack_guard_hit(uint64_t address); /* an unmapped page below some thread's stack */
/* apic.c */
void apic_init(void);
void apic_eoi(void);
void apic_timer_start(unsigned hz);
void ioapic_route(unsigned gsi, uint8_t vector, bool level, bool active_low);
unsigned ioapic_inputs(void);
/* irq.c */
void irq_dispatch(unsigned gsi);
void quiet_begin(void); /* interrupts off: from here on only a bare timer tick gets through */
void quiet_end(void);
extern volatile bool quiet;
/* clock.c, calibrate.c, rtc.c, pvclock.c */
void clock_init(void);
extern uint32_t tsc_khz;
extern uint64_t boot_tsc, boot_wall_ns;
uint64_t ms_to_tsc(uint32_t ms);
uint32_t calibrate_tsc(void);
bool pvclock_read(uint32_t *khz, uint64_t *wall_ns); /* wall_ns: now, 0 = unknown */
uint64_t rtc_wall_ns(void);
/* console.c, log.c */
void console_init(void);
void console_write(const char *text, size_t n);
bool console_input(void);
void kvprintf(const char *format, va_list args);
void log_dump(void);
void log_freeze(void); /* the region's log is not written any more */
/* heap.c */
void heap_init(void);
void heap_dump(void);
uint64_t heap_total(void);
void site_alloc(uint64_t pc, uint64_t bytes);
void site_free(uint64_t pc, uint64_t bytes);
void sites_dump(void);
/* thread.c, sched.c */
void threads_init(void);
void threads_start(void) __attribute__((noreturn));
void threads_dump(void);
void schedule(void);
void sched_tick(uint64_t sp);
void sched_dump(void);
void ready_add(struct thread *t);
extern bool need_resched;
void switch_threads(struct thread *from, struct thread *to);
extern char thread_start[];
/* Interrupts off. Waits in q (may be NULL) until wait_wake or the deadline (TSC, 0 = never); false = timed out. */
bool wait_block(struct waitq *q, uint8_t wait, uint64_t obj, uint64_t deadline);
struct thread *waitq_pop(struct waitq *q); /* removes and readies the first; NULL = none */
/* sync.c */
void locks_dump(void);
/* traps.c, panic.c */
void interrupt(struct frame *f);
void panic_frame_die(uint32_t kind, const struct frame *f, const char *message) __attribute__((noreturn));
void stack_guard_init(void);
/* region.c */
void region_init(void);
/* trace.c */
void trace_init(void);
void trace_lock(uint64_t va, uint32_t owner);
void trace_irq(unsigned gsi, uint64_t rip);
/* power.c */
void power_off(void) __attribute__((noreturn));
/* dump.c */
void dump_all(void);
/* breakage.c */
void breakage_from_cmdline(void);
/* selftest.c */
void selftest_from_cmdline(void);

#endif
