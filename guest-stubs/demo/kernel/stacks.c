/* stacks.c - thread stacks: fixed slots, each with at least one unmapped page below the stack. */
#include "internal.h"

#define SLOT_PAGES 17u
#define SLOT (SLOT_PAGES * PAGE)

static uint8_t slots[THREADS_MAX][SLOT] __attribute__((aligned(4096)));
static bool slot_used[THREADS_MAX];

bool stack_alloc(size_t size, uint64_t *lo, uint64_t *hi)
{
	uint64_t flags = irq_save(), bytes = (size + PAGE - 1) & ~(PAGE - 1);
	bool found = false;

	for (unsigned i = 0; i < THREADS_MAX && bytes <= SLOT - PAGE; i++) {
		uint64_t base = (uint64_t)slots[i];

		if (slot_used[i])
			continue;
		slot_used[i] = true;
		*hi = base + SLOT;
		*lo = *hi - bytes;
		for (uint64_t va = base; va < *hi; va += PAGE)
			page_map(va, va < *lo ? 0 : PTE_P | PTE_W | PTE_NX);
		memset((void *)*lo, 0, bytes);
		found = true;
		break;
	}
	irq_restore(flags);
	return found;
}

void stack_free(uint64_t hi)
{
	slot_used[(hi - (uint64_t)slots) / SLOT - 1] = false;
}

bool stack_guard_hit(uint64_t address)
{
	for (unsigned i = 0; i < THREADS_MAX; i++) {
		const struct thread *t = &threads[i];

		if (t->tid != 0 && address < t->stack_lo && address >= t->stack_hi - SLOT)
			return true;
	}
	return false;
}
