/* dump.c - the tables in the kernel's own words on COM1, for checking what tools read from outside. */
#include "internal.h"

#define DUMPERS 8u
static void (*dumpers[DUMPERS])(void);
static unsigned dumpers_used;

void dump_register(void (*fn)(void))
{
	kassert(dumpers_used < DUMPERS);
	dumpers[dumpers_used++] = fn;
}

void dump_begin(const char *table)
{
	kprintf("@dump %s", table);
}

void dump_u64(const char *key, uint64_t v)
{
	kprintf(" %s=%lu", key, v);
}

void dump_i64(const char *key, int64_t v)
{
	kprintf(" %s=%ld", key, v);
}

void dump_hex(const char *key, uint64_t v)
{
	kprintf(" %s=0x%lx", key, v);
}

void dump_str(const char *key, const char *text)
{
	kprintf(" %s=", key);
	for (; text != NULL && *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c <= ' ' || c == '%' || c == '=' || c >= 0x7f)
			kprintf("%%%02x", c);
		else
			console_write(text, 1);
	}
}

void dump_end(void)
{
	console_write("\n", 1);
}

void dump_all(void)
{
	threads_dump();
	locks_dump();
	heap_dump();
	sites_dump();
	for (unsigned i = 0; i < dumpers_used; i++)
		dumpers[i]();
	log_dump();
	kprintf("@dump end\n");
}
