/* boot.S - PVH entry (32-bit protected mode, paging off, ebx = start_info) to 64-bit kmain. */

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 8, 18			/* name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.quad start32

	.section .bss
	.balign 4096
boot_pml4:	.skip 4096
boot_pdpt:	.skip 4096
boot_pd:	.skip 4096
	.balign 16
	.globl boot_stack, boot_stack_top
boot_stack:	.skip 16384
boot_stack_top:

	.section .rodata
	.balign 8
boot_gdt:
	.quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdt_end:
boot_gdt_pointer:
	.word boot_gdt_end - boot_gdt - 1
	.long boot_gdt

	.text
	.code32
	.globl start32
	.type start32, @function
start32:
	cli
	cld
	movl %ebx, %esi
	/* A region left by the boot before must not be found: clear .bss ourselves. */
	movl $__bss_start, %edi
	movl $__bss_end, %ecx
	subl %edi, %ecx
	shrl $2, %ecx
	xorl %eax, %eax
	rep stosl

	/* The first GiB, identity, 2 MiB pages; paging.c replaces it. */
	movl $(boot_pdpt + 3), boot_pml4
	movl $(boot_pd + 3), boot_pdpt
	movl $boot_pd, %edi
	movl $0x83, %eax
	movl $512, %ecx
1:	movl %eax, (%edi)
	addl $0x200000, %eax
	addl $8, %edi
	decl %ecx
	jnz 1b

	movl %cr4, %eax
	orl $0x20, %eax			/* PAE */
	movl %eax, %cr4
	movl $boot_pml4, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx		/* EFER: LME, NXE */
	rdmsr
	orl $0x900, %eax
	wrmsr
	movl $0x80010011, %eax		/* PG, WP, ET, PE */
	movl %eax, %cr0
	lgdt boot_gdt_pointer
	ljmp $8, $start64
	.size start32, . - start32

	.code64
	.type start64, @function
start64:
	.cfi_startproc
	.cfi_undefined rip
	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movl $boot_stack_top, %esp
	xorl %ebp, %ebp
	movl %esi, %edi
	call kmain
	ud2
	.cfi_endproc
	.size start64, . - start64

	.section .note.GNU-stack, "", @progbits
