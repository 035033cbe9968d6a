/* log.c - the log ring: text in events of their own kind. */
#include "internal.h"

#if UNIOBS_WITH_LOG

void uniobs_log(uint8_t level, uint32_t tid, const char *text, uint32_t length)
{
	struct uniobs_state *s = &uniobs_state;
	uint64_t words[UNIOBS_WORDS_MAX], guard;
	const uint32_t room = (UNIOBS_WORDS_MAX - 2) * 8;
	uint32_t captured = length < room ? length : room, n = 2 + (captured + 7) / 8;

	if (!s->log)
		return;
	words[0] = level;
	words[1] = length | (uint64_t)captured << 32;
	words[n - 1] = captured ? 0 : words[1];
	uniobs_copy(&words[2], text, captured);
	UNIOBS_ENTER(guard);
	uniobs_ring_put(s->log, s->log_mask, UNIOBS_EVENT_LOG | tid << 16, words, n, captured < length);
	UNIOBS_EXIT(guard);
}

#endif
