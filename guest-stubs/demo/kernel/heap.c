/*
 * heap.c - one arena: blocks with boundary tags, free ones in lists by power of two, neighbours merged.
 * A block's header keeps how much was asked for and where from.
 */
#include "internal.h"

#define USED 1ull
#define PREV_USED 2ull
#define FLAGS 15ull
#define MIN_BLOCK 48u /* header, two links, the size again at the end */
#define BINS 36u

struct block {
	uint64_t size;        /* with header, a multiple of 16; USED, PREV_USED */
	uint32_t pc, bytes;   /* who asked, for how many */
	struct block *next, *prev; /* free ones only; the last word of a free block is its size */
};
#define HEADER offsetof(struct block, next)
_Static_assert(HEADER == 16, "payload alignment");

static struct block *bins[BINS];
static struct uniobs_heap stats;

static uint64_t size_of(const struct block *b)
{
	return b->size & ~FLAGS;
}

static struct block *after(struct block *b)
{
	return (struct block *)((uint8_t *)b + size_of(b));
}

static unsigned bin_of(uint64_t size)
{
	unsigned bin = 63u - (unsigned)__builtin_clzll(size);

	return bin < BINS ? bin : BINS - 1;
}

static void bin_add(struct block *b, uint64_t size)
{
	unsigned bin = bin_of(size);

	b->size = size | (b->size & PREV_USED);
	*(uint64_t *)((uint8_t *)b + size - 8) = size;
	after(b)->size &= ~PREV_USED;
	b->prev = NULL;
	b->next = bins[bin];
	if (b->next != NULL)
		b->next->prev = b;
	bins[bin] = b;
}

static void bin_remove(struct block *b)
{
	if (b->prev != NULL)
		b->prev->next = b->next;
	else
		bins[bin_of(size_of(b))] = b->next;
	if (b->next != NULL)
		b->next->prev = b->prev;
}

static uint64_t largest_free(void)
{
	uint64_t largest = 0;

	for (unsigned bin = BINS; bin-- > 0 && largest == 0;)
		for (const struct block *b = bins[bin]; b != NULL; b = b->next)
			if (size_of(b) > largest)
				largest = size_of(b);
	return largest > HEADER ? largest - HEADER : 0;
}

static void report(void)
{
	if (stats.used > stats.peak)
		stats.peak = stats.used;
	stats.largest_free = largest_free();
	uniobs_heap_set(&stats);
}

static struct block *find(uint64_t size)
{
	for (unsigned bin = bin_of(size); bin < BINS; bin++)
		for (struct block *b = bins[bin]; b != NULL; b = b->next)
			if (size_of(b) >= size)
				return b;
	return NULL;
}

static struct block *take(uint64_t size)
{
	struct block *b = find(size), *rest;
	uint64_t have;

	if (b == NULL)
		return NULL;
	bin_remove(b);
	have = size_of(b);
	if (have - size >= MIN_BLOCK) {
		b->size = size | (b->size & PREV_USED);
		rest = after(b);
		rest->size = PREV_USED;
		bin_add(rest, have - size);
	}
	b->size |= USED;
	after(b)->size |= PREV_USED;
	return b;
}

void *kmalloc_at(size_t bytes, uint64_t pc)
{
	uint64_t flags, size = (bytes + HEADER + 15) & ~15ull;
	struct block *b = NULL;

	if (size < MIN_BLOCK)
		size = MIN_BLOCK;
	flags = irq_save();
	if (bytes < UINT32_MAX - 64)
		b = take(size);
	if (b == NULL) {
		stats.failures++;
		report();
		irq_restore(flags);
		klog(UNIOBS_LEVEL_ERR, "heap: no room for %lu bytes, asked for at %#lx", (uint64_t)bytes, pc);
		return NULL;
	}
	b->pc = (uint32_t)pc;
	b->bytes = (uint32_t)bytes;
	stats.used += size_of(b);
	stats.allocs++;
	uniobs_alloc(pc, bytes);
	site_alloc(pc, bytes);
	report();
	irq_restore(flags);
	return (uint8_t *)b + HEADER;
}

void *kmalloc(size_t bytes)
{
	return kmalloc_at(bytes, (uint64_t)__builtin_return_address(0));
}

void *kmalloc_must(size_t bytes)
{
	void *p = kmalloc_at(bytes, (uint64_t)__builtin_return_address(0));

	if (p == NULL)
		panic(UNIOBS_PANIC_OOM, "out of memory: %lu bytes wanted, %lu of %lu in use", (uint64_t)bytes, stats.used, stats.total);
	return p;
}

void *kcalloc(size_t count, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	p = kmalloc_at(bytes, (uint64_t)__builtin_return_address(0));
	return p == NULL ? NULL : memset(p, 0, bytes);
}

void kfree(void *p)
{
	struct block *b = (struct block *)((uint8_t *)p - HEADER), *next;
	uint64_t flags, size;

	if (p == NULL)
		return;
	flags = irq_save();
	if (!(b->size & USED) || !(after(b)->size & PREV_USED))
		panic(UNIOBS_PANIC_ASSERT, "kfree(%p): not an allocation, or freed before, or overrun", p);
	size = size_of(b);
	stats.used -= size;
	stats.frees++;
	uniobs_free(b->pc, b->bytes);
	site_free(b->pc, b->bytes);
	next = after(b);
	b->size &= ~USED;
	if (!(next->size & USED)) {
		bin_remove(next);
		size += size_of(next);
	}
	if (!(b->size & PREV_USED)) {
		b = (struct block *)((uint8_t *)b - *(uint64_t *)((uint8_t *)b - 8));
		bin_remove(b);
		size += size_of(b);
	}
	bin_add(b, size);
	report();
	irq_restore(flags);
}

uint64_t heap_total(void)
{
	return stats.total;
}

void heap_init(void)
{
	uint64_t lo = 0, hi = 0, image_end = ((uint64_t)__image_end + PAGE - 1) & ~(PAGE - 1);
	struct block *b, *end;

	/* The largest piece of RAM below 4 GiB behind the image. */
	for (unsigned i = 0; i < ram_count; i++) {
		uint64_t start = ram[i].start < image_end ? image_end : ram[i].start;

		if (ram[i].end <= 1ull << 32 && ram[i].end > start && ram[i].end - start > hi - lo) {
			lo = start;
			hi = ram[i].end;
		}
	}
	if (hi - lo < 1 << 20)
		panic(UNIOBS_PANIC_OOM, "no memory for a heap");
	b = (struct block *)lo;
	end = (struct block *)(hi - 16);
	b->size = PREV_USED;
	end->size = USED;
	stats.total = hi - lo - 16;
	bin_add(b, stats.total);
	report();
}

void heap_dump(void)
{
	dump_begin("heap");
	dump_u64("total", stats.total);
	dump_u64("used", stats.used);
	dump_u64("peak", stats.peak);
	dump_u64("largest_free", stats.largest_free);
	dump_u64("allocs", stats.allocs);
	dump_u64("frees", stats.frees);
	dump_u64("failures", stats.failures);
	dump_end();
}
