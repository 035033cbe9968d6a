/* A PVH guest: long mode, identity map of 1 GiB less page 0, page faults on a stack of their own. */
	.section .note.pvh, "a", @note
	.long 4, 4, 18
	.asciz "Xen"
	.long _start

	.section .text
	.code32
	.globl _start
_start:
	cli
	movl $x86_bpt_pml4, %eax
	movl %eax, %cr3
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80000001, %eax
	movl %eax, %cr0
	lgdt gdt_pointer
	ljmp $8, $long_mode
	.code64
long_mode:
	movl $16, %eax
	movl %eax, %ss
	movl %eax, %ds
	movl %eax, %es
	leaq tss(%rip), %rax
	movw %ax, gdt_tss + 2
	shrq $16, %rax
	movb %al, gdt_tss + 4
	movb %ah, gdt_tss + 7
	movl $24, %eax
	ltr %ax
	leaq asm_trap_page_fault(%rip), %rax
	movw %ax, idt_page_fault
	shrq $16, %rax
	movw %ax, idt_page_fault + 6
	lidt idt_pointer
	leaq stack_top(%rip), %rsp
	xorl %ebp, %ebp
	call ukplat_entry
1:	hlt
	jmp 1b

	.globl asm_trap_page_fault
	.type asm_trap_page_fault, @function
asm_trap_page_fault:
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 16
	.cfi_offset rip, -8
	.cfi_offset rsp, 16
	.irp reg, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	pushq %\reg
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset \reg, 0
	.endr
	subq $8, %rsp
	.cfi_adjust_cfa_offset 8
	movq %rsp, %rdi
	movq 128(%rsp), %rsi
	call do_page_fault
	ud2
	.cfi_endproc
	.size asm_trap_page_fault, . - asm_trap_page_fault

/* switch_to(prev, next): what is saved lies as Unikraft lays it */
	.globl switch_to
	.type switch_to, @function
switch_to:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, 8(%rdi)
	movq 8(%rsi), %rsp
	leaq 2f(%rip), %rbx
	movq %rbx, (%rdi)
	pushq (%rsi)
	ret
2:	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
	.size switch_to, . - switch_to

/* a thread's first steps: its function is in rbx */
	.globl start_thread
	.type start_thread, @function
start_thread:
	popq %rbx
	jmp *%rbx
	.size start_thread, . - start_thread

	.section .data
	.balign 8
gdt:	.quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_tss:
	.quad 0x0000890000000067, 0
gdt_pointer:
	.word 39
	.long gdt
	.balign 8
tss:	.long 0
	.fill 4, 8, 0
	.quad trap_top
	.fill 15, 4, 0
idt:	.fill 28, 8, 0
idt_page_fault:
	.word 0, 8
	.byte 1, 0x8e
	.word 0
	.quad 0
idt_pointer:
	.word 239
	.quad idt
	.balign 4096
	.globl x86_bpt_pml4
x86_bpt_pml4:
	.quad pdpt + 3
	.fill 511, 8, 0
pdpt:	.quad pd + 3
	.fill 511, 8, 0
pd:	.quad pt + 3
	.set page, 1
	.rept 511
	.quad page * 0x200000 + 0x83
	.set page, page + 1
	.endr
pt:	.quad 0
	.set page, 1
	.rept 511
	.quad page * 0x1000 + 3
	.set page, page + 1
	.endr
	.space 8192
stack_top:
	.space 8192
trap_top:
