// The structures that OSv keeps of its threads, mutexes and log, in the shapes that its headers document:
// two threads that each hold a mutex and wait for the other's, one on a condition variable, one that runs.
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <vector>

using nanoseconds = std::chrono::duration<long, std::nano>;
struct uptime {
	using time_point = std::chrono::time_point<uptime, nanoseconds>;
	using duration = nanoseconds;
};

namespace sched {
class thread;
struct cpu {
	unsigned id;
	thread *idle_thread;
	uptime::time_point running_since;
};
struct thread_control_block {
	void *self;
	void *app_tcb;
};
class thread {
public:
	enum class status {
		invalid, prestarted, unstarted, waiting, sending_lock, running, queued, waking, terminating, terminated
	};
	struct detached_state {
		thread *t;
		cpu *_cpu;
		bool lock_sent;
		std::atomic<status> st;
	};
	struct { void *exception_stack, *rsp, *rbp, *rip; } _state;
	thread_control_block *_tcb;
	std::unique_ptr<detached_state> _detached_state;
	struct { struct { void *begin; size_t size; } _stack; std::array<char, 16> _name; } _attr;
	unsigned _id;
	std::atomic<thread *> _joiner;
	struct { std::atomic<unsigned long> _counter; } stat_switches;
	nanoseconds _total_cpu_time;
};
std::unordered_map<unsigned, thread *> thread_map __attribute__((used));
std::vector<cpu *> cpus;
}

struct waiter {
	alignas(64) std::atomic<sched::thread *> t;
};
struct wait_record : waiter {
	wait_record *next;
};

namespace lockfree {
template <class T> struct queue_mpsc {
	std::atomic<T *> pushlist, poplist;
};
class mutex {
public:
	std::atomic<int> count;
	unsigned depth;
	std::atomic<sched::thread *> owner;
	queue_mpsc<wait_record> waitqueue;
	std::atomic<unsigned> handoff;
	unsigned sequence;
	void lock();
};
void __attribute__((noinline)) mutex::lock() { asm volatile(""); }
}

class condvar {
public:
	lockfree::mutex _m;
	struct { wait_record *oldest, *newest; } _waiters_fifo;
	lockfree::mutex *_user_mutex;
	void wait();
};
void __attribute__((noinline)) condvar::wait() { asm volatile(""); }

lockfree::mutex lock_a, lock_b;
condvar ready;
char debug_buffer[64];
int debug_buffer_idx;
bool debug_buffer_full;
namespace memory { std::atomic<unsigned long> total_memory{1000}, free_memory{400}; }

alignas(4096) static char stacks[5][4096];
static sched::cpu cpu0;

static sched::thread *make(unsigned id, const char *name, sched::thread::status st, const void *at)
{
	auto t = new sched::thread();
	char *stack = stacks[id];
	t->_id = id;
	t->_detached_state.reset(new sched::thread::detached_state{t, &cpu0, false, {st}});
	strcpy(t->_attr._name.data(), name);
	t->_attr._stack = {stack, sizeof stacks[0]};
	t->_state.rsp = stack + 2048;
	t->_state.rip = (char *)at;
	t->_tcb = new sched::thread_control_block();
	t->_total_cpu_time = nanoseconds(1000 * id);
	t->stat_switches._counter = id;
	sched::thread_map[id] = t;
	return t;
}

// A record on its stack, and beside it a pointer to what it waits for.
static wait_record *record(sched::thread *t, void *object)
{
	char *stack = stacks[t->_id];
	auto r = new (stack + 2048 + 256) wait_record();
	r->t = t;
	*(void **)(stack + 2048 + 128) = object;
	return r;
}

extern "C" void __attribute__((noinline)) checkpoint() { asm volatile(""); }

int main()
{
	using st = sched::thread::status;
	void (lockfree::mutex::*lock)() = &lockfree::mutex::lock;
	void (condvar::*wait)() = &condvar::wait;
	void *in_lock, *in_wait;
	memcpy(&in_lock, &lock, sizeof in_lock);
	memcpy(&in_wait, &wait, sizeof in_wait);
	auto a = make(1, "first", st::waiting, in_lock);
	auto b = make(2, "second", st::waiting, in_lock);
	auto c = make(3, "third", st::waiting, in_wait);
	auto d = make(4, "fourth", st::running, in_wait);
	lock_a.count = lock_b.count = 2;
	lock_a.depth = lock_b.depth = 1;
	lock_a.owner = a;
	lock_b.owner = b;
	lock_b.waitqueue.pushlist = record(a, &lock_b);
	lock_a.waitqueue.poplist = record(b, &lock_a);
	ready._waiters_fifo.oldest = ready._waiters_fifo.newest = record(c, &ready);
	a->_joiner = d;
	cpu0.idle_thread = c;
	cpu0.running_since = uptime::time_point(nanoseconds(5000));
	sched::cpus.push_back(&cpu0);
	strcpy(debug_buffer, "one\ntwo\nthr");
	debug_buffer_idx = 11;
	checkpoint();
	return 0;
}
