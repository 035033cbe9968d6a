/* uniobs_port.h - an ordinary Linux process: a trace ring per thread, one mutex for what is shared. */
#ifndef UNIOBS_PORT_HOSTED_H
#define UNIOBS_PORT_HOSTED_H

#include <stdint.h>

#if !defined __x86_64__
#error "the hosted port reads the TSC: x86-64 only"
#endif

extern _Thread_local uint32_t uniobs_hosted_ring __attribute__((tls_model("initial-exec")));
void uniobs_hosted_enter(void);
void uniobs_hosted_exit(void);

#define UNIOBS_CLOCK() __builtin_ia32_rdtsc()
#define UNIOBS_RING() uniobs_hosted_ring
#define UNIOBS_ENTER(flags) ((flags) = 0, uniobs_hosted_enter())
#define UNIOBS_EXIT(flags) ((void)(flags), uniobs_hosted_exit())
#define UNIOBS_TRACE_ENTER(flags) ((void)((flags) = 0))
#define UNIOBS_TRACE_EXIT(flags) ((void)(flags))
#define UNIOBS_ADD64(p, n) ((void)__atomic_fetch_add((p), (uint64_t)(n), __ATOMIC_RELAXED))

#endif
