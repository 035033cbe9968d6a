/*
 * opt.h - every knob of the library. Change one with -DNAME=value for the library and for all that
 * includes uniobs.h: a part that is left out turns into empty inline functions (uniobs/off.h).
 *
 * The minimal configuration is -DUNIOBS_MINIMAL=1: region, threads, counters, strings, events and trace
 * rings. Single parts can be put back with their own knob.
 */
#ifndef UNIOBS_OPT_H
#define UNIOBS_OPT_H

/* 1: leave out every part that the minimal configuration does without. */
#if !defined UNIOBS_MINIMAL
#define UNIOBS_MINIMAL 0
#endif

/* Event descriptors and trace rings: uniobs_event, uniobs_emit2, uniobs_emit, uniobs_pack. */
#if !defined UNIOBS_WITH_TRACE
#define UNIOBS_WITH_TRACE 1
#endif

/* The panic record: uniobs_panic. */
#if !defined UNIOBS_WITH_PANIC
#define UNIOBS_WITH_PANIC (!UNIOBS_MINIMAL)
#endif

/* The log ring: uniobs_log. */
#if !defined UNIOBS_WITH_LOG
#define UNIOBS_WITH_LOG (!UNIOBS_MINIMAL)
#endif

/* The packet ring: uniobs_packet. */
#if !defined UNIOBS_WITH_PACKETS
#define UNIOBS_WITH_PACKETS (!UNIOBS_MINIMAL)
#endif

/* Sockets and interfaces: uniobs_socket_*, uniobs_iface_*. */
#if !defined UNIOBS_WITH_SOCKETS
#define UNIOBS_WITH_SOCKETS (!UNIOBS_MINIMAL)
#endif

/* Mutexes, semaphores and the like: uniobs_lock_*. */
#if !defined UNIOBS_WITH_LOCKS
#define UNIOBS_WITH_LOCKS (!UNIOBS_MINIMAL)
#endif

/* Heap totals, and bytes by call site: uniobs_heap_set, uniobs_alloc, uniobs_free. */
#if !defined UNIOBS_WITH_SITES
#define UNIOBS_WITH_SITES (!UNIOBS_MINIMAL)
#endif

/* The READ/DATA protocol of a channel: uniobs_answer. */
#if !defined UNIOBS_WITH_CHANNEL
#define UNIOBS_WITH_CHANNEL (!UNIOBS_MINIMAL)
#endif

/* How many rows uniobs_alloc and uniobs_free look at before they give a call site up (and count it). */
#if !defined UNIOBS_SITE_PROBES
#define UNIOBS_SITE_PROBES 16
#endif

#endif
