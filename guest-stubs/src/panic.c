/* panic.c - the panic record. No guard is taken: whoever holds it may be the one that died. */
#include "internal.h"

#if UNIOBS_WITH_PANIC

void uniobs_panic(uint32_t kind, const struct uniobs_panic *regs, const char *message, const void *stack,
		  uint64_t stack_va, uint64_t stack_len)
{
	struct uniobs_state *s = &uniobs_state;
	struct uniobs_panic *p = s->panic;
	uint64_t sum;
	const uint32_t first = offsetof(struct uniobs_panic, vector);

	if (!p || __atomic_exchange_n(&s->panicked, 1, __ATOMIC_ACQ_REL))
		return;
	uniobs_copy((uint8_t *)p + first, (const uint8_t *)regs + first, offsetof(struct uniobs_panic, message) - first);
	if (!p->time)
		p->time = UNIOBS_CLOCK();
	uniobs_text(p->message, sizeof p->message, message);
	if (stack_len > s->panic_stack)
		stack_len = s->panic_stack;
	stack_len &= ~7ull;
	if (stack)
		uniobs_copy(p + 1, stack, stack_len);
	p->stack_va = stack_va;
	p->stack_len = stack ? stack_len : 0;
	p->stack_check = (uint32_t)(uniobs_sum(0, p + 1, p->stack_len) >> 32);
	/* As the record reads once kind is there. */
	p->check = 0;
	sum = uniobs_mix(0, kind | (uint64_t)p->vector << 32);
	p->check = (uint32_t)(uniobs_sum(sum, (uint8_t *)p + 8, sizeof *p - 8) >> 32);
	__atomic_store_n(&p->kind, kind, __ATOMIC_RELEASE);
	s->live->state = UNIOBS_STATE_PANICKED;
	uniobs_live_seal();
}

#endif
