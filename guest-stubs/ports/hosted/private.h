/* private.h - what the hosted port's files share. */
#ifndef UNIOBS_HOSTED_PRIVATE_H
#define UNIOBS_HOSTED_PRIVATE_H

#include "../../src/internal.h"
#include "hosted.h"

struct hosted { uint32_t tsc_khz; };
extern struct hosted uniobs_hosted;

struct uniobs_thread *uniobs_hosted_register(const char *name, uint64_t entry);
struct uniobs_thread *uniobs_hosted_self(void);
/* The process is about to end: keep the guard, so that no other thread is killed in the middle of a row. It may be
 * the holder that died, so this gives up after a while. */
void uniobs_hosted_freeze(void);
void uniobs_hosted_catch_signals(void);
void uniobs_hosted_signal_stack(void);            /* for the calling thread */

#endif
