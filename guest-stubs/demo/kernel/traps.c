/* traps.c - where every interrupt and exception arrives in C. */
#include "internal.h"

static const char *const names[32] = { "divide error", "debug", "NMI", "breakpoint", "overflow", "bound range",
	"invalid opcode", "no device", "double fault", "-", "invalid TSS", "segment not present", "stack segment fault",
	"general protection fault", "page fault", "-", "x87 error", "alignment check", "machine check", "SIMD error" };

static void exception(const struct frame *f)
{
	const char *name = names[f->vector] != NULL ? names[f->vector] : "exception";
	uint64_t at = read_cr2();
	char text[192];

	__asm__ volatile("cli");
	if ((f->vector == 14 || f->vector == 8) && stack_guard_hit(at)) {
		ksnprintf(text, sizeof(text), "stack overflow in %s: %s at %#lx, below its stack",
			current == NULL ? "boot" : current->name, f->vector == 8 ? "double fault" : f->error & 2 ? "write" : "read", at);
		panic_frame_die(UNIOBS_PANIC_STACK_OVERFLOW, f, text);
	}
	if (f->vector == 14)
		ksnprintf(text, sizeof(text), "page fault: %s %#lx (%s)",
			f->error & 16 ? "execution of" : f->error & 2 ? "write to" : "read of", at, f->error & 1 ? "not permitted" : "not mapped");
	else
		ksnprintf(text, sizeof(text), "%s, error %#lx", name, f->error);
	panic_frame_die(UNIOBS_PANIC_EXCEPTION, f, text);
}

static void device(unsigned gsi, uint64_t rip)
{
	trace_irq(gsi, rip);
	irq_dispatch(gsi);
}

void interrupt(struct frame *f)
{
	if (f->vector < 32)
		exception(f);
	if (f->vector == VECTOR_SPURIOUS)
		return;
	if (quiet) {
		apic_eoi();
		return; /* a tick that only ends a hlt */
	}
	if (f->vector == VECTOR_TIMER)
		sched_tick(f->rsp);
	else if (f->vector >= VECTOR_GSI && f->vector < VECTOR_GSI + GSI_MAX)
		device((unsigned)f->vector - VECTOR_GSI, f->rip);
	apic_eoi(); /* after the handlers: a level-triggered line must be quiet by then */
	if (need_resched && current != NULL)
		schedule();
}
