/* check.c - check words: what was written is told from what was garbled later. SPEC.md, "Check words". */
#include "internal.h"

typedef uint64_t __attribute__((may_alias)) word_t;
typedef uint32_t __attribute__((may_alias)) word32_t;

uint64_t uniobs_sum(uint64_t sum, const void *data, uint64_t size)
{
	const word_t *word = data;

	for (; size >= 8; size -= 8)
		sum = uniobs_mix(sum, *word++);
	return sum;
}

void uniobs_row_end(uint32_t *seq, uint64_t size)
{
	((word32_t *)seq)[1] = (uint32_t)(uniobs_sum(0, seq + 2, size - 8) >> 32);
	__atomic_store_n(seq, *seq + 1, __ATOMIC_RELEASE);
}

#if UNIOBS_WITH_SOCKETS || UNIOBS_WITH_SITES
void uniobs_row_set(uint32_t *seq, const void *from, uint64_t size)
{
	uint64_t guard;

	UNIOBS_ENTER(guard);
	uniobs_row_begin(seq);
	uniobs_copy(seq + 2, (const uint8_t *)from + 8, size - 8);
	uniobs_row_end(seq, size);
	UNIOBS_EXIT(guard);
}
#endif

void uniobs_slot_seal(uint32_t *seq, uint64_t position, uint64_t size)
{
	const uint64_t sum = uniobs_mix(0, (uint64_t)((word32_t *)seq)[1] << 32);

	uniobs_slot_commit(seq, position, uniobs_sum(sum, seq + 2, size - 8));
}

void uniobs_live_seal(void)
{
	struct uniobs_header_live *live = uniobs_state.live;

	live->check = (uint32_t)(uniobs_sum(0, live, offsetof(struct uniobs_header_live, check)) >> 32);
}

void uniobs_overflow(uint64_t *counter)
{
	++*counter;
	uniobs_live_seal();
}
