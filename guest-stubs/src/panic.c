/* panic.c - the panic record. No guard is taken: whoever holds it may be the one that died. */
#include "internal.h"

#if UNIOBS_WITH_PANIC

void uniobs_panic(uint32_t kind, const struct uniobs_panic *regs, const char *message, const void *stack,
		  uint64_t stack_va, uint64_t stack_len)
{
	struct uniobs_state *s = &uniobs_state;
	struct uniobs_panic *p = s->panic;
	const uint32_t first = offsetof(struct uniobs_panic, vector);

	if (!p || __atomic_exchange_n(&s->panicked, 1, __ATOMIC_ACQ_REL))
		return;
	uniobs_copy((uint8_t *)p + first, (const uint8_t *)regs + first, offsetof(struct uniobs_panic, message) - first);
	if (!p->time)
		p->time = UNIOBS_CLOCK();
	uniobs_text(p->message, sizeof p->message, message);
	if (stack_len > s->panic_stack)
		stack_len = s->panic_stack;
	if (stack)
		uniobs_copy(p + 1, stack, stack_len);
	p->stack_va = stack_va;
	p->stack_len = stack ? stack_len : 0;
	__atomic_store_n(&p->kind, kind, __ATOMIC_RELEASE);
	__atomic_store_n(&s->live->state, UNIOBS_STATE_PANICKED, __ATOMIC_RELEASE);
}

#endif
