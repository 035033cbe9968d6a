/* entry.S - interrupt entry, the thread switch, panic's register capture. Every frame has CFI. */

#define SAVE(reg) pushq %reg; .cfi_adjust_cfa_offset 8; .cfi_rel_offset reg, 0
#define LOAD(reg) popq %reg; .cfi_adjust_cfa_offset -8; .cfi_restore reg

/* What the CPU pushed: rip cs rflags rsp ss; the CFA is their end, rsp comes from memory. */
.macro iret_frame extra
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa rsp, 40 + \extra
	.cfi_offset rip, -40
	.cfi_offset rsp, -16
.endm

	.text
/* 256 stubs of 16 bytes. Exceptions 8, 10-14, 17, 21, 29 and 30 bring an error code. */
	.balign 16
	.globl interrupt_stubs
	.type interrupt_stubs, @function
interrupt_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	.if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
	iret_frame 8
	.else
	iret_frame 0
	pushq $0
	.cfi_adjust_cfa_offset 8
	.endif
	pushq $vector
	.cfi_adjust_cfa_offset 8
	jmp interrupt_common
	.cfi_endproc
	.set vector, vector + 1
	.endr
	.size interrupt_stubs, . - interrupt_stubs

/* Completes struct frame on the stack and calls interrupt(frame). */
	.balign 16
	.type interrupt_common, @function
interrupt_common:
	iret_frame 16
	SAVE(rax)
	SAVE(rcx)
	SAVE(rdx)
	SAVE(rbx)
	SAVE(rbp)
	SAVE(rsi)
	SAVE(rdi)
	SAVE(r8)
	SAVE(r9)
	SAVE(r10)
	SAVE(r11)
	SAVE(r12)
	SAVE(r13)
	SAVE(r14)
	SAVE(r15)
	cld
	movq %rsp, %rdi
	call interrupt			/* the CPU aligned rsp; 5 + 2 + 15 words keep it aligned */
	LOAD(r15)
	LOAD(r14)
	LOAD(r13)
	LOAD(r12)
	LOAD(r11)
	LOAD(r10)
	LOAD(r9)
	LOAD(r8)
	LOAD(rdi)
	LOAD(rsi)
	LOAD(rbp)
	LOAD(rbx)
	LOAD(rdx)
	LOAD(rcx)
	LOAD(rax)
	addq $16, %rsp
	.cfi_adjust_cfa_offset -16
	iretq
	.cfi_endproc
	.size interrupt_common, . - interrupt_common

/* void switch_threads(struct thread *from, struct thread *to); interrupts off.
 * Leaves r15 r14 r13 r12 rbx rbp rip at from->sp; switch_report tells the region about it first. */
	.balign 16
	.globl switch_threads
	.type switch_threads, @function
switch_threads:
	.cfi_startproc
	SAVE(rbp)
	SAVE(rbx)
	SAVE(r12)
	SAVE(r13)
	SAVE(r14)
	SAVE(r15)
	movq %rsp, (%rdi)
	movq %rsi, %rbx
	subq $8, %rsp
	.cfi_adjust_cfa_offset 8
	call switch_report		/* (from, to) */
	addq $8, %rsp
	.cfi_adjust_cfa_offset -8
	movq (%rbx), %rsp
	LOAD(r15)
	LOAD(r14)
	LOAD(r13)
	LOAD(r12)
	LOAD(rbx)
	LOAD(rbp)
	ret
	.cfi_endproc
	.size switch_threads, . - switch_threads

/* A thread's first instruction: r12 = entry, r13 = argument (thread_create wrote them).
 * It is entered at thread_start + 1. */
	.balign 16
	.globl thread_start
	.type thread_start, @function
thread_start:
	.cfi_startproc
	.cfi_undefined rip
	nop				/* not run: an unwinder looks up the byte before the saved address */
	sti
	movq %r13, %rdi
	call *%r12
	call thread_exit
	ud2
	.cfi_endproc
	.size thread_start, . - thread_start

/* panic(kind, format, ...): keep the caller's registers as they are, then panic_enter with the same
 * arguments. The frame recorded is this function's own first instruction. */
	.balign 16
	.globl panic
	.type panic, @function
panic:
	.cfi_startproc
	pushfq
	.cfi_adjust_cfa_offset 8
	cli
	movq %r15, panic_frame + 0
	movq %r14, panic_frame + 8
	movq %r13, panic_frame + 16
	movq %r12, panic_frame + 24
	movq %r11, panic_frame + 32
	movq %r10, panic_frame + 40
	movq %r9, panic_frame + 48
	movq %r8, panic_frame + 56
	movq %rdi, panic_frame + 64
	movq %rsi, panic_frame + 72
	movq %rbp, panic_frame + 80
	movq %rbx, panic_frame + 88
	movq %rdx, panic_frame + 96
	movq %rcx, panic_frame + 104
	movq %rax, panic_frame + 112
	popq panic_frame + 152		/* rflags */
	.cfi_adjust_cfa_offset -8
	movq $panic, panic_frame + 136	/* rip */
	movq %cs, %r11
	movq %r11, panic_frame + 144
	movq %rsp, panic_frame + 160
	movq %ss, %r11
	movq %r11, panic_frame + 168
	jmp panic_enter
	.cfi_endproc
	.size panic, . - panic

	.section .note.GNU-stack, "", @progbits
