/* console.c - COM1, by polling. */
#include "internal.h"

#define COM1 0x3f8

void console_init(void)
{
	outb(COM1 + 1, 0);    /* no interrupts */
	outb(COM1 + 3, 0x80); /* 115200 8n1 */
	outb(COM1 + 0, 1);
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 3);
	outb(COM1 + 2, 7);
	outb(COM1 + 4, 3);
}

void console_write(const char *text, size_t n)
{
	uint64_t flags = irq_save();

	for (size_t i = 0; i < n; i++) {
		for (unsigned spins = 0; !(inb(COM1 + 5) & 0x20) && spins < 100000; spins++)
			__asm__ volatile("pause");
		outb(COM1, (uint8_t)text[i]);
	}
	irq_restore(flags);
}

/* Takes one byte that somebody typed; false when there is none (or no COM1). */
bool console_input(void)
{
	uint8_t status = inb(COM1 + 5);

	if (status == 0xff || !(status & 1))
		return false;
	(void)inb(COM1);
	return true;
}
