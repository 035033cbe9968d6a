/*
 * hosted.h - the library in an ordinary Linux process: a region that other processes can find and read,
 * threads and locks that fill their rows. Addresses: see SPEC.md, "Hosted guests".
 */
#ifndef UNIOBS_HOSTED_H
#define UNIOBS_HOSTED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <uniobs/uniobs.h>

/* Sizes that are asked for (zero fields take a default); the rest of the configuration is found out. */
struct uniobs_hosted_sizes {
	uint32_t rings, events, counters, threads, locks, sockets, sites, strings, log_slots, trace_slots, panic_stack;
};

/* Make the region (in a memfd, or in the file that the environment variable UNIOBS_REGION_FILE names),
 * register the calling thread as tid 1 "main", catch fatal signals. 0 or -errno. sizes may be NULL. */
int uniobs_hosted_start(const char *app, const struct uniobs_hosted_sizes *sizes);

/* --- threads ------------------------------------------------------------------------------------------ */
int uniobs_hosted_thread(pthread_t *out, const char *name, void *(*entry)(void *), void *arg); /* 0 or -errno */
uint32_t uniobs_hosted_tid(void);             /* ours, small; 0 when this thread isn't registered */
/* Around a call that can block: what the thread waits for (UNIOBS_WAIT_*), then that it runs again. */
void uniobs_hosted_wait(uint8_t wait, uint64_t obj, uint64_t until_tsc, int fd);
void uniobs_hosted_resume(void);
void uniobs_hosted_sleep(uint64_t ns);
/* Called now and then (10 times a second, say): CPU times of all threads, the tick. */
void uniobs_hosted_sample(void);

/* --- locks: pthread's, with a row ----------------------------------------------------------------------- */
struct uniobs_mutex { pthread_mutex_t mutex; uniobs_lock_t *row; };
struct uniobs_cond { pthread_cond_t cond; uniobs_lock_t *row; };
void uniobs_mutex_init(struct uniobs_mutex *m, const char *name);
void uniobs_mutex_lock(struct uniobs_mutex *m);   /* its caller's address is the place of acquisition */
void uniobs_mutex_unlock(struct uniobs_mutex *m);
void uniobs_mutex_destroy(struct uniobs_mutex *m);
void uniobs_cond_init(struct uniobs_cond *c, const char *name);
void uniobs_cond_wait(struct uniobs_cond *c, struct uniobs_mutex *m);
void uniobs_cond_signal(struct uniobs_cond *c);
void uniobs_cond_broadcast(struct uniobs_cond *c);
void uniobs_cond_destroy(struct uniobs_cond *c);

/* --- time, log -------------------------------------------------------------------------------------------- */
uint64_t uniobs_hosted_tsc(uint64_t ns);          /* a duration */
void uniobs_hosted_log(uint8_t level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
