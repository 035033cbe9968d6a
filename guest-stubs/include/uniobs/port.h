/*
 * port.h - what the library asks of its surroundings. A port puts a header "uniobs_port.h" on the
 * include path that defines the macros below; those with a default here may be left out.
 */
#ifndef UNIOBS_PORT_H
#define UNIOBS_PORT_H

#include "uniobs_port.h"

/* Time stamp: a counter that never goes back, at header.tsc_khz. On x86 the TSC. */
#ifndef UNIOBS_CLOCK
#error "uniobs_port.h must define UNIOBS_CLOCK()"
#endif

/* Index of the trace ring that belongs to this context (CPU, or thread when hosted). An index that
 * no ring has makes the event a counted drop (header_live.trace_off). */
#ifndef UNIOBS_RING
#define UNIOBS_RING() 0u
#endif

/* The CPU that this context runs on, for thread.cpu. */
#ifndef UNIOBS_CPU
#define UNIOBS_CPU() 0u
#endif

/* Guard of everything shared between contexts: tables, strings, log ring, packet ring. It keeps other
 * contexts (interrupts, threads, CPUs) out for a bounded time and may nest when interrupts use the library.
 * flags is a uint64_t variable that carries state from ENTER to EXIT. */
#if !defined UNIOBS_ENTER || !defined UNIOBS_EXIT
#error "uniobs_port.h must define UNIOBS_ENTER(flags) and UNIOBS_EXIT(flags)"
#endif

/* Guard of a trace ring. Needed when two contexts can share a ring and one can be suspended
 * while the other runs on (preemption); not needed when each context owns its ring. */
#if !defined UNIOBS_TRACE_ENTER || !defined UNIOBS_TRACE_EXIT
#define UNIOBS_TRACE_ENTER(flags) UNIOBS_ENTER(flags)
#define UNIOBS_TRACE_EXIT(flags) UNIOBS_EXIT(flags)
#endif

/* *p += n, atomic towards the contexts that may count the same thing: one instruction on one CPU,
 * a locked one with several. */
#ifndef UNIOBS_ADD64
#if defined __x86_64__
#define UNIOBS_ADD64(p, n) __asm__ volatile("addq %1, %0" : "+m"(*(p)) : "er"((uint64_t)(n)) : "cc")
#else
#define UNIOBS_ADD64(p, n) ((void)__atomic_fetch_add((p), (uint64_t)(n), __ATOMIC_RELAXED))
#endif
#endif

#endif
