/* kernel.h - what the demo guest's kernel offers to its drivers, to lwIP's port and to the application. */
#ifndef DEMO_KERNEL_H
#define DEMO_KERNEL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uniobs/uniobs.h>

/* console (COM1) and log: klog goes to the region's log ring and to the console */
void kprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int ksnprintf(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int kvsnprintf(char *out, size_t size, const char *format, va_list args);
void klog(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* libc subset: memcpy memmove memset memcmp strlen strcmp strncmp strchr strtoul ... */
#include "kstring.h"

/* heap: malloc/free by call site; OOM of a must-have allocation panics, others get NULL */
void *kmalloc(size_t size);
void *kcalloc(size_t count, size_t size);
void *kmalloc_must(size_t size);             /* panics (OOM) instead of NULL */
void *kmalloc_at(size_t size, uint64_t pc);  /* for wrappers: pc = their caller's, __builtin_return_address(0) */
void kfree(void *p);

/* time */
uint64_t clock_tsc(void);
uint64_t clock_ns(void);      /* since boot */
uint64_t clock_wall_ns(void); /* Unix time, 0 = unknown */

/* interrupts */
static inline uint64_t irq_save(void) { uint64_t f; __asm__ volatile("pushfq; popq %0; cli" : "=r"(f) : : "memory"); return f; }
static inline void irq_restore(uint64_t f) { if (f & 0x200) __asm__ volatile("sti" : : : "memory"); }
typedef void (*irq_handler)(void *arg);
/* gsi: IOAPIC input. level: level-triggered (PCI INTx, active low) or edge (microvm's virtio-mmio: active high).
 * Handlers run with interrupts off; several may share a gsi. */
int irq_register(unsigned gsi, bool level, bool active_low, irq_handler handler, void *arg);

/* memory: identity-mapped, physical = virtual for RAM; map_mmio makes a device range reachable (uncached) */
void *map_mmio(uint64_t pa, uint64_t size);
uint64_t ram_top(void);       /* end of RAM below 4 GiB */

/* threads */
struct thread;
struct thread *thread_create(const char *name, void (*entry)(void *), void *arg, size_t stack_size);
struct thread *thread_self(void);
uint32_t thread_tid(void);    /* 0 outside threads */
void thread_yield(void);
void thread_exit(void) __attribute__((noreturn));
void sleep_ms(uint32_t ms);

/* What a blocked thread waits for, so that tools can say it. Set before blocking on a primitive on
 * behalf of a higher-level call (accept, recv...), cleared after: while it is set, the primitives
 * report this wait instead of their own. */
void thread_set_wait(uint8_t wait, uint64_t obj, int32_t fd);
void thread_clear_wait(void);

/* synchronisation. Names are kept by reference. timeout_ms 0 = for ever; false = timed out. */
struct waitq { struct thread *head, *tail; };
struct lock_link { struct lock_link *next, *prev; uint8_t kind; uint64_t pc; }; /* the kernel's own list, for dumps */
struct mutex { struct thread *owner; struct waitq waiters; const char *name; uniobs_lock_t *row; struct lock_link link; };
struct cond { struct waitq waiters; const char *name; uniobs_lock_t *row; struct lock_link link; };
struct sem { int count; struct waitq waiters; const char *name; uniobs_lock_t *row; struct lock_link link; };
void mutex_init(struct mutex *m, const char *name);
void mutex_lock(struct mutex *m);     /* records its caller's address as the place of acquisition */
void mutex_unlock(struct mutex *m);
void mutex_destroy(struct mutex *m);
void cond_init(struct cond *c, const char *name);
bool cond_wait(struct cond *c, struct mutex *m, uint32_t timeout_ms);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);
void cond_destroy(struct cond *c);
void sem_init(struct sem *s, const char *name, int count);
bool sem_wait(struct sem *s, uint32_t timeout_ms);
void sem_post(struct sem *s);         /* may be called from interrupt handlers */
void sem_destroy(struct sem *s);

/* death */
void panic(uint32_t kind, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));
#define kassert(x) ((x) ? (void)0 : panic(UNIOBS_PANIC_ASSERT, "assertion failed: %s, %s:%d", #x, __FILE__, __LINE__))
void kexit(int code) __attribute__((noreturn)); /* clean exit: state EXITED, then power off */
const char *cmdline(void);                     /* kernel command line, "" when none */
const char *cmdline_option(const char *name);  /* value of name=value, in a static buffer; NULL = not given */
/* Ways to die, in breakage.c: null smash overflow assert spin spin-irqoff deadlock leak exit. Some strike the
 * calling thread, some threads of their own. false = no such kind. */
bool breakage_start(const char *kind);
/* Hold the guest still for ms (or until a byte on COM1): prints the tables, then serves only the channel. */
void park(uint32_t ms);

/* The tables as park and panic print them: "@dump TABLE key=value ...". A registered function prints its rows from
 * its own structures; it runs with interrupts off, must not block, allocate or touch the region. Lines of a table
 * the kernel prints too (locks: mailboxes) simply add to it. */
void dump_register(void (*fn)(void));
void dump_begin(const char *table);
void dump_u64(const char *key, uint64_t v);
void dump_i64(const char *key, int64_t v);
void dump_hex(const char *key, uint64_t v);
void dump_str(const char *key, const char *text); /* %-escapes blanks, '=', '%' and what isn't printable ASCII */
void dump_end(void);

/* Called with interrupts off, in a loop, from the panic path and from park: serve the channel without
 * interrupts. Set by the virtio-console driver. It must not change the region (counters, log, trace). */
extern void (*channel_poll)(void);

/* the application's and drivers' entry: called in the thread "main" once the kernel is up */
void app_main(void);

#endif
