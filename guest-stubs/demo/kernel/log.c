/* log.c - the kernel's log: region, console, and a small ring of its own for dumps. */
#include "internal.h"

#define KEPT 32u
#define TEXT 256u

static struct kept { uint64_t number; uint32_t tid; int level; char text[TEXT]; } kept[KEPT];
static uint64_t lines;
static bool frozen;

void log_freeze(void)
{
	frozen = true;
}

void klog(int level, const char *format, ...)
{
	char text[TEXT];
	uint64_t flags = irq_save(), ns = clock_ns();
	size_t n;
	va_list args;

	va_start(args, format);
	kvsnprintf(text, sizeof(text), format, args);
	va_end(args);
	n = strlen(text);
	if (!frozen) {
		struct kept *k = &kept[lines % KEPT];

		uniobs_log((uint8_t)level, thread_tid(), text, (uint32_t)n);
		*k = (struct kept){ .number = lines++, .tid = thread_tid(), .level = level };
		memcpy(k->text, text, n + 1);
	}
	kprintf("[%5lu.%06lu] %s\n", ns / 1000000000, ns / 1000 % 1000000, text);
	irq_restore(flags);
}

void log_dump(void)
{
	for (uint64_t i = lines > KEPT ? lines - KEPT : 0; i < lines; i++) {
		const struct kept *k = &kept[i % KEPT];

		dump_begin("log");
		dump_u64("number", k->number);
		dump_u64("level", (uint64_t)k->level);
		dump_u64("tid", k->tid);
		dump_str("text", k->text);
		dump_end();
	}
	dump_begin("kernel");
	dump_u64("log_lines", lines);
	dump_u64("tsc", rdtsc());
	dump_u64("tsc_khz", tsc_khz);
	dump_u64("anchor_tsc", boot_tsc);
	dump_u64("anchor_wall_ns", boot_wall_ns);
	dump_end();
}
