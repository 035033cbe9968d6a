/* Structures shaped as Nanos documents its own, filled at link time: never run, only looked at. Its
   addresses are the program's in program.c, which is linked to where they say. */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

struct list { struct list *prev, *next; };
struct rbnode { char *parent_color; struct rbnode *c[2]; }; /* the colour is the lowest bit */
struct rbtree { struct rbnode *root; u64 count; };
struct sstring { u64 len; char *ptr; };
struct buffer { u64 start, end, length; u8 wrapped; void *h; void *contents; };
struct entry { void *v; u64 k; void *c; struct entry *next; };
struct table { int buckets, count; struct entry **entries; };
struct context { u64 frame[31]; u32 active_cpu; int type; };
struct kernel_context { struct context context; };
enum clock_id { CLOCK_ID_REALTIME, CLOCK_ID_MONOTONIC };
struct timer { int id; u64 expiry; };
struct blockq { void *h; struct sstring name; struct list waiters_head; };
struct unix_context {
	struct kernel_context kc;
	struct blockq *blocked_on;
	u8 bq_timer_pending;
	struct timer bq_timer;
	enum clock_id bq_clkid;
	struct list bq_l;
};
struct thread;
struct syscall_context { struct unix_context uc; struct thread *t; u64 start_time; int call; };
struct thread {
	struct context context;
	char name[16];
	struct syscall_context *syscall;
	int *clear_tid;
	int tid;
	struct rbnode n;
	u64 utime, stime, start_time;
};
struct fdesc { u64 refcnt; int type; };
struct sock { struct fdesc f; int fd, domain; };
struct netsock { struct sock sock; union { struct { void *lw; } tcp; } info; };
struct process { int pid; struct table *futices; struct rbtree *threads; struct buffer *files; };
struct futex { void *h; struct blockq *bq; };
struct cpuinfo_machine { void *self; struct context *current_context; };
struct cpuinfo { struct cpuinfo_machine m; u32 id; int state; u64 last_timer_update; };
struct syscall { void *handler; };
struct vdso_dat_struct { u64 status, rtc_offset; };

#define SECOND (1ul << 32)
#define LOCK_A 0x500000ul
#define LOCK_B 0x500040ul
#define WAITS_AT 0x400100ul
#define STACK 0x600f00ul
enum { RDX = 3, RSI, RDI, RSP = 7, RIP = 16, RFLAGS, CS, SS, VECTOR = 24, ERROR, CR2 = 27, FULL };

/* enough code that a few bytes of it tell it from other code */
#define BODY(n) __asm__ volatile("mov %0, %%eax; imul $" #n ", %%eax, %%eax; cmp $7, %%eax; jne 1f; ud2; 1: nopl 64(%%rax); xor $" #n ", %%eax" :: "i"(n * 131) : "eax")
#define CALL(name, n) __attribute__((noinline, used)) void name(void) { BODY(n); BODY(n); }
CALL(futex, 202) CALL(accept, 43) CALL(clock_nanosleep, 230) CALL(kernel_sleep, 5) CALL(syscall_ignore, 9)
__attribute__((noinline, used)) static void interrupt14(void) { BODY(14); BODY(15); }
__attribute__((noinline, used)) void _start(void) { BODY(1); interrupt14(); BODY(2); }

struct syscall _linux_syscalls[256] = {
	[43] = { accept }, [61] = { syscall_ignore }, [202] = { futex }, [230] = { clock_nanosleep },
};

static struct syscall_context call_a, call_b, call_s, call_t;
static struct thread server, worker_a, worker_b, ticker, dummy;
static struct blockq on_a = { 0, { 5, "futex" }, { &call_b.uc.bq_l, &call_b.uc.bq_l } };
static struct blockq on_b = { 0, { 5, "futex" }, { &call_a.uc.bq_l, &call_a.uc.bq_l } };
static struct blockq on_s = { 0, { 12, "sock receive" }, { &call_s.uc.bq_l, &call_s.uc.bq_l } };
static struct blockq on_t = { 0, { 6, "thread" }, { &call_t.uc.bq_l, &call_t.uc.bq_l } };

#define WAIT(queue) { .blocked_on = &queue, .bq_l = { &queue.waiters_head, &queue.waiters_head } }
static struct syscall_context call_a = { WAIT(on_b), &worker_a, 0, 202 };
static struct syscall_context call_b = { WAIT(on_a), &worker_b, 0, 202 };
static struct syscall_context call_s = { WAIT(on_s), &server, 0, 43 };
static struct syscall_context call_t = {
	{ .blocked_on = &on_t, .bq_l = { &on_t.waiters_head, &on_t.waiters_head }, .bq_timer_pending = 1,
	  .bq_timer = { 0, 1000 * SECOND + 9 * SECOND + SECOND / 2 }, .bq_clkid = CLOCK_ID_REALTIME },
	&ticker, 0, 230,
};

#define FRAME(...) { .frame = { [RSP] = STACK, [RIP] = WAITS_AT, [RFLAGS] = 0x246, [CS] = 0x2a, [SS] = 0x23, \
	[FULL] = 1, __VA_ARGS__ }, .active_cpu = -1u, .type = 3 }
#define LEAF(parent) { (char *)&parent.n + 1, { 0, 0 } }
static struct thread worker_a = {
	FRAME([RDI] = LOCK_B, [RSI] = 0x80, [RDX] = 2), "worker-a", &call_a, 0, 3,
	{ (char *)&worker_b.n + 1, { &server.n, 0 } },
	SECOND / 4, SECOND / 4, 0,
};
static struct thread worker_b = {
	FRAME([RDI] = LOCK_A, [RSI] = 0x80, [RDX] = 2), "worker-b", &call_b, 0, 4,
	{ 0, { &worker_a.n, &ticker.n } }, SECOND, 0, 0,
};
static struct thread server = {
	FRAME([RDI] = 3), "server", &call_s, 0, 2, LEAF(worker_a), 0, 0, 0,
};
static struct thread ticker = {
	FRAME([RDI] = 0), "ticker", &call_t, 0, 5, LEAF(worker_b), 0, 0, 0,
};
static struct thread dummy = { .name = "dummy_thread", .tid = 1 };

static struct entry key_a = { &(struct futex){ 0, &on_a }, LOCK_A, 0, 0 };
static struct entry key_b = { &(struct futex){ 0, &on_b }, LOCK_B, 0, &key_a };
static struct entry *buckets[4] = { 0, &key_b, 0, 0 };
static struct table futices = { 4, 2, buckets };
static struct netsock listening = { { { 2, 4 }, 3, 2 }, { { (void *)0x1234 } } };
static void *file_slots[4] = { 0, 0, 0, &listening };
static struct buffer files = { 0, sizeof file_slots, sizeof file_slots, 0, 0, file_slots };
static struct rbtree kernel_threads = { &dummy.n, 1 }, threads = { &worker_b.n, 4 };
static struct process kernel_process = { 1, 0, &kernel_threads, 0 };
static struct process program = { 2, &futices, &threads, &files };
struct process *processes[2] = { &kernel_process, &program };

static struct context kernel_context = { .type = 1 };
static struct cpuinfo cpu0 = { { &cpu0, &kernel_context }, 0, 1, 9 * SECOND };
static void *cpu_slots[1] = { &cpu0 };
static struct buffer cpus = { 0, sizeof cpu_slots, sizeof cpu_slots, 0, 0, cpu_slots };
struct buffer *cpuinfos = &cpus;
struct thread *dummy_thread = &dummy;
u32 shutting_down = 0;
struct vdso_dat_struct __vdso_vdso_dat = { 0, 1000 * SECOND };
static struct page_heap { u64 total, allocated; } page_heap __attribute__((used)) = { 64 << 20, 5 << 20 };

static struct {
	struct { char header[4]; u64 boot_id; u32 exit_code; char msgs[16]; } dump;
	char buf[256];
	u64 count;
} klog __attribute__((used)) = { .buf = "[0.500000] en1: assigned 10.0.2.15\nprogram: hello\n", .count = 50 };
