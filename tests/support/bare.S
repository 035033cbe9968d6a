/* A bare PVH guest: long mode, identity map of 1 GiB in 2 MiB pages, then hlt for ever. Its region is a blob. */
	.section .note.pvh, "a", @note
	.long 4, 4, 18
	.asciz "Xen"
	.long _start

	.section .text
	.code32
	.globl _start
_start:
	cli
	movl $pml4, %eax
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
	movabsq $0x1122334455667788, %r15
	leaq stack_top(%rip), %rsp
	xorl %ebp, %ebp
#ifdef HIGH_MARK
	movabsq $0x4242424242424242, %rax
	movabsq $0x100000000, %rbx
	movq %rax, (%rbx)
#endif
	call spin
	.globl spin
spin:
	.cfi_startproc
1:	hlt
	jmp 1b
	.cfi_endproc

	.section .data
	.balign 8
gdt:	.quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
	.word 23
	.long gdt
	.balign 4096
pml4:	.quad pdpt + 7
	.fill 511, 8, 0
pdpt:	.quad pd + 7, 0, 0, 0
	.quad 0x100000000 + 0x87
	.fill 507, 8, 0
pd:
	.set page, 0
	.rept 512
	.quad page * 0x200000 + 0x87
	.set page, page + 1
	.endr
	.space 4096
stack_top:

	.section .region, "aw"
	.balign 4096
	.incbin REGION
