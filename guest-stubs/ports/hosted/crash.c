/* crash.c - a fatal signal fills the panic record, then kills the process as it would have (core and all). */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ucontext.h>
#include "private.h"

static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
static _Thread_local uint8_t signal_stack[16384] __attribute__((aligned(16)));

static void fill(struct uniobs_panic *p, const greg_t *g)
{
	uint64_t *const to[] = {
		&p->rax, &p->rbx, &p->rcx, &p->rdx, &p->rsi, &p->rdi, &p->rbp, &p->rsp, &p->r8, &p->r9, &p->r10, &p->r11,
		&p->r12, &p->r13, &p->r14, &p->r15, &p->rip, &p->rflags, &p->error, &p->cr2,
	};
	static const int from[] = {
		REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8, REG_R9, REG_R10, REG_R11,
		REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP, REG_EFL, REG_ERR, REG_CR2,
	};

	for (size_t i = 0; i < sizeof from / sizeof *from; i++)
		*to[i] = (uint64_t)g[from[i]];
	p->vector = (uint32_t)g[REG_TRAPNO];
	p->cs = (uint64_t)g[REG_CSGSFS] & 0xffff;
}

static const char *name_of(int sig)
{
	switch (sig) {
	case SIGSEGV: return "SIGSEGV: bad memory access";
	case SIGBUS: return "SIGBUS: bad memory access";
	case SIGILL: return "SIGILL: illegal instruction";
	case SIGFPE: return "SIGFPE: arithmetic error";
	default: return "SIGABRT: abort() was called";
	}
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *u = context;
	const struct uniobs_thread *t = uniobs_hosted_self();
	uint32_t kind = sig == SIGABRT ? UNIOBS_PANIC_ABORT : UNIOBS_PANIC_EXCEPTION;
	struct uniobs_panic p = { .tid = uniobs_hosted_tid() };
	const char *message = name_of(sig);
	uint64_t sp, length = 0;
	bool ours = info->si_code > 0;  /* a fault of this thread, not a signal that somebody sent */

	fill(&p, u->uc_mcontext.gregs);
	if (!ours)
		p.vector = 0, p.error = 0, p.cr2 = 0;
	sp = p.rsp;
	if (t && sp >= t->stack_lo && sp < t->stack_hi)
		length = t->stack_hi - sp;
	if (t && ours && sig == SIGSEGV && p.cr2 < t->stack_lo + 4096 && p.cr2 + 65536 >= t->stack_lo && p.cr2 <= sp + 65536 && sp < t->stack_lo + 8192)
		kind = UNIOBS_PANIC_STACK_OVERFLOW, message = "SIGSEGV: stack overflow";
	uniobs_hosted_freeze();
	uniobs_panic(kind, &p, message, length ? (const void *)(uintptr_t)sp : 0, sp, length);
	signal(sig, SIG_DFL);
	if (!ours)
		raise(sig);  /* blocked here: strikes on return, where the process was */
}

void uniobs_hosted_catch_signals(void)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
		sigaction(fatal[i], &action, 0);
}

void uniobs_hosted_signal_stack(void)
{
	stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof signal_stack }, present;

	/* Somebody else's does as well: a sanitizer's, for one, which it wants to find again. */
	if (!sigaltstack(0, &present) && present.ss_flags & SS_DISABLE)
		sigaltstack(&stack, 0);
}
