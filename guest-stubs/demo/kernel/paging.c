/* paging.c - the identity map: RAM in 2 MiB pages, the image and stacks in 4 KiB ones, page 0 nowhere. */
#include "internal.h"

#define LARGE 0x200000ull
#define ADDRESS 0x000ffffffffff000ull
#define POOL_PAGES 96u

static uint64_t pool[POOL_PAGES][512] __attribute__((aligned(4096)));
static unsigned pool_used;
static uint64_t *root;

static uint64_t *table_new(void)
{
	return pool_used < POOL_PAGES ? pool[pool_used++] : NULL;
}

/* The entry of va at level 1 (4 KiB) or 2 (2 MiB), tables made on the way; a 2 MiB page is split for level 1. */
static uint64_t *entry_of(uint64_t va, int level)
{
	uint64_t *table = root;

	for (int l = 4; l > level; l--) {
		uint64_t *e = &table[va >> (12 + 9 * (l - 1)) & 511], *sub;

		if (!(*e & PTE_P) || *e & PTE_LARGE) {
			sub = table_new();
			if (sub == NULL)
				return NULL;
			if (*e & PTE_P)
				for (unsigned i = 0; i < 512; i++)
					sub[i] = (*e & ~PTE_LARGE) + i * PAGE;
			*e = (uint64_t)sub | PTE_P | PTE_W;
		}
		table = (uint64_t *)(*e & ADDRESS);
	}
	return &table[va >> (12 + 9 * (level - 1)) & 511];
}

void page_map(uint64_t va, uint64_t flags)
{
	uint64_t *e = entry_of(va, 1);

	if (e == NULL)
		panic(UNIOBS_PANIC_OOM, "no page table left to map %#lx", va);
	*e = flags == 0 ? 0 : (va & ~(PAGE - 1)) | flags;
	invlpg(va);
}

static bool map_range(uint64_t start, uint64_t end, uint64_t flags)
{
	while (start < end) {
		bool large = start % LARGE == 0 && end - start >= LARGE;
		uint64_t *e = entry_of(start, large ? 2 : 1);

		if (e == NULL)
			return false;
		*e = start | flags | (large ? PTE_LARGE : 0);
		invlpg(start);
		start += large ? LARGE : PAGE;
	}
	return true;
}

void *map_mmio(uint64_t pa, uint64_t size)
{
	if (!map_range(pa & ~(PAGE - 1), (pa + size + PAGE - 1) & ~(PAGE - 1), PTE_P | PTE_W | PTE_UNCACHED | PTE_NX))
		panic(UNIOBS_PANIC_OOM, "no page table left to map the device at %#lx", pa);
	return (void *)pa;
}

void paging_init(void)
{
	uint64_t image_end = (uint64_t)__image_end;

	root = table_new();
	for (unsigned i = 0; i < ram_count; i++) {
		uint64_t start = ram[i].start < PAGE ? PAGE : ram[i].start;

		if (!map_range(start, ram[i].end, PTE_P | PTE_W | PTE_NX)) {
			ram[i].end = start; /* more RAM than tables: leave the rest alone */
			continue;
		}
	}
	/* The image's own rights, and 4 KiB pages where stacks get their guards. */
	for (uint64_t va = (uint64_t)__image_start; va < image_end; va += PAGE) {
		bool text = va < (uint64_t)__text_end, constant = va < (uint64_t)__rodata_end;

		page_map(va, PTE_P | (constant ? 0 : PTE_W) | (text ? 0 : PTE_NX));
	}
	write_cr3((uint64_t)root);
}
