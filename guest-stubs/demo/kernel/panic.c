/* panic.c - death: the record, the console, and then only the channel. */
#include "internal.h"

#define STACK_KEPT 8192u

struct frame panic_frame; /* filled by panic() in entry.S */
uintptr_t __stack_chk_guard = 0x595e9fbd94fda766; /* until boot has drawn one */

extern uint8_t boot_stack[], boot_stack_top[];

void panic_enter(uint32_t kind, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));
void __stack_chk_fail(void) __attribute__((noreturn));

void __attribute__((no_stack_protector)) stack_guard_init(void)
{
	uint64_t x = rdtsc() ^ boot_wall_ns;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	__stack_chk_guard = (x ^ x >> 31) & ~0xffull; /* a zero byte stops strings */
}

/* The part of the stack that sp stands in; false when sp is in none we know. */
static bool stack_of(uint64_t sp, uint64_t *lo, uint64_t *hi)
{
	if (current != NULL && sp <= current->stack_hi && sp >= current->stack_lo - PAGE && current->tid != 0) {
		*lo = sp < current->stack_lo ? current->stack_lo : sp; /* the guard page can't be read */
		*hi = current->stack_hi;
		return true;
	}
	*lo = sp;
	*hi = (uint64_t)boot_stack_top;
	return sp >= (uint64_t)boot_stack && sp < *hi;
}

static void record(uint32_t kind, const struct frame *f, const char *message)
{
	struct uniobs_panic p = {
		.vector = (uint32_t)f->vector, .error = f->error, .time = rdtsc(), .tid = thread_tid(),
		.rax = f->rax, .rbx = f->rbx, .rcx = f->rcx, .rdx = f->rdx, .rsi = f->rsi, .rdi = f->rdi, .rbp = f->rbp, .rsp = f->rsp,
		.r8 = f->r8, .r9 = f->r9, .r10 = f->r10, .r11 = f->r11, .r12 = f->r12, .r13 = f->r13, .r14 = f->r14, .r15 = f->r15,
		.rip = f->rip, .rflags = f->rflags, .cs = f->cs, .ss = f->ss,
		.cr0 = read_cr0(), .cr2 = read_cr2(), .cr3 = read_cr3(), .cr4 = read_cr4(),
	};
	uint64_t lo = 0, hi = 0;

	if (!stack_of(f->rsp, &lo, &hi))
		lo = hi = 0;
	uniobs_panic(kind, &p, message, (const void *)lo, lo, hi - lo < STACK_KEPT ? hi - lo : STACK_KEPT);
}

static void print(const struct frame *f)
{
	kprintf("  thread %u %s, vector %lu, error %#lx\n", thread_tid(), current == NULL ? "-" : current->name, f->vector, f->error);
	kprintf("  rip %016lx rsp %016lx rbp %016lx rflags %lx\n", f->rip, f->rsp, f->rbp, f->rflags);
	kprintf("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
	kprintf("  rsi %016lx rdi %016lx r8  %016lx r9  %016lx\n", f->rsi, f->rdi, f->r8, f->r9);
	kprintf("  r10 %016lx r11 %016lx r12 %016lx r13 %016lx\n", f->r10, f->r11, f->r12, f->r13);
	kprintf("  r14 %016lx r15 %016lx cr2 %016lx cr3 %016lx\n", f->r14, f->r15, read_cr2(), read_cr3());
}

void panic_frame_die(uint32_t kind, const struct frame *f, const char *message)
{
	static int depth;

	if (depth++ != 0) { /* dying failed: stand still, the first record stays */
		if (depth == 2)
			kprintf("panic while panicking: %s, rip %#lx\n", message, f->rip);
		for (;;)
			__asm__ volatile("cli; hlt");
	}
	klog(UNIOBS_LEVEL_EMERG, "panic: %s", message);
	log_freeze();
	record(kind, f, message);
	print(f);
	dump_all();
	quiet_begin();
	for (;;) {
		if (channel_poll != NULL)
			channel_poll();
		wait_for_interrupt();
	}
}

void panic_enter(uint32_t kind, const char *format, ...)
{
	static char text[192];
	va_list args;

	va_start(args, format);
	kvsnprintf(text, sizeof(text), format, args);
	va_end(args);
	panic_frame_die(kind, &panic_frame, text);
}

void __stack_chk_fail(void)
{
	panic(UNIOBS_PANIC_STACK_SMASH, "stack smashed in %s", current == NULL ? "boot" : current->name);
}
