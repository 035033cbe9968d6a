/* Structures as Unikraft 0.17 and lwIP 2.1 document them, as far as a walker looks at them; code of our own. */
#ifndef SHAPES_H
#define SHAPES_H

#include <stdint.h>

#define TAILQ_HEAD(name, type) struct name { type *tqh_first; type **tqh_last; }
#define TAILQ_ENTRY(type) struct { type *tqe_next; type **tqe_prev; }
#define STAILQ_HEAD(name, type) struct name { type *stqh_first; type **stqh_last; }
#define STAILQ_ENTRY(type) struct { type *stqe_next; }

#define UK_THREADF_RUNNABLE (0x008)
#define UK_THREADF_EXITED (0x010)
#define UK_THREADF_QUEUEABLE (0x020)
#define CPUS 2

struct uk_alloc;
struct uk_sched;
struct uk_thread;

struct ukarch_ctx {
	uintptr_t ip;
	uintptr_t sp;
};

struct uk_thread {
	struct ukarch_ctx ctx;
	void *ectx;
	uintptr_t tlsp;
	uintptr_t uktlsp;
	uintptr_t auxsp;
	TAILQ_ENTRY(struct uk_thread) queue;
	uint32_t flags;
	int64_t wakeup_time;
	struct uk_sched *sched;
	struct {
		struct uk_alloc *t_a;
		void *stack;
		struct uk_alloc *stack_a;
		void *uktls;
	} _mem;
	void *priv;
	uint64_t exec_time;
	const char *name;
	TAILQ_ENTRY(struct uk_thread) thread_list;
};
TAILQ_HEAD(uk_thread_list, struct uk_thread);

struct uk_sched {
	void (*yield)(struct uk_sched *s);
	_Bool is_started;
	struct uk_thread_list thread_list;
	struct uk_thread_list exited_threads;
	struct uk_sched *next;
};

struct schedcoop {
	struct uk_sched sched;
	struct uk_thread_list run_queue;
	struct uk_thread_list sleep_queue;
	struct uk_thread idle;
	uint64_t idle_return_time;
	uint64_t ts_prev_switch;
};

struct uk_waitq_entry {
	int waiting;
	struct uk_thread *thread;
	STAILQ_ENTRY(struct uk_waitq_entry) thread_list;
};

struct uk_waitq {
	struct { } sl;
	STAILQ_HEAD(wait_list, struct uk_waitq_entry) wait_list;
};

struct uk_mutex {
	int lock_count;
	unsigned int flags;
	struct uk_thread *owner;
	struct uk_waitq wait;
};

struct uk_semaphore {
	struct { } sl;
	long count;
	struct uk_waitq wait;
};

/* what the page allocator keeps in front of what it gives */
struct metadata_ifpages {
	uint64_t size;
	unsigned long num_pages;
	void *base;
};

/* what a trap's entry pushes, lowest address first */
struct __regs {
	uint64_t pad, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t orig_rax, rip, cs, eflags, rsp, ss;
};

enum tcp_state {
	CLOSED, LISTEN, SYN_SENT, SYN_RCVD, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING,
	LAST_ACK, TIME_WAIT,
};

typedef struct ip4_addr {
	uint32_t addr;
} ip_addr_t;

struct tcp_pcb_listen {
	ip_addr_t local_ip, remote_ip;
	uint8_t netif_idx, so_options, tos, ttl;
	struct tcp_pcb_listen *next;
	void *callback_arg;
	enum tcp_state state;
	uint8_t prio;
	uint16_t local_port;
	uint8_t backlog, accepts_pending;
};

struct tcp_pcb {
	ip_addr_t local_ip, remote_ip;
	uint8_t netif_idx, so_options, tos, ttl;
	struct tcp_pcb *next;
	void *callback_arg;
	enum tcp_state state;
	uint8_t prio;
	uint16_t local_port, remote_port;
	uint16_t mss;
	uint32_t lastack, snd_lbb, cwnd, rcv_wnd;
};

union tcp_listen_pcbs_t {
	struct tcp_pcb_listen *listen_pcbs;
	struct tcp_pcb *pcbs;
};

struct udp_pcb {
	ip_addr_t local_ip, remote_ip;
	struct udp_pcb *next;
	uint8_t flags;
	uint16_t local_port, remote_port;
};

struct netif {
	struct netif *next;
	ip_addr_t ip_addr, netmask, gw;
	uint16_t mtu;
	uint8_t hwaddr[6], hwaddr_len, flags;
	char name[2];
	uint8_t num;
};

void switch_to(struct uk_thread *prev, struct uk_thread *next);
void start_thread(void);
void do_page_fault(struct __regs *regs, unsigned long error);

#endif
