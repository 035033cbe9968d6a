/* Entry of a bare aarch64 guest on QEMU's virt machine, EL1, MMU off: a stack, then C. */
	.section .text.start, "ax"
	.global _start
_start:
	mov	x29, xzr
	mov	x30, xzr
	ldr	x0, =stack_top
	mov	sp, x0
	bl	kernel
1:	wfi
	b	1b
