/* calls.h - how a system call is told to the trace ring: an event when it begins and one when it ends. */
#ifndef DEMO_CALLS_H
#define DEMO_CALLS_H

#include "kernel.h"

enum call_id {
	CALL_SOCKET, CALL_SETSOCKOPT, CALL_BIND, CALL_LISTEN, CALL_ACCEPT, CALL_RECV, CALL_SEND, CALL_RECVFROM, CALL_SENDTO,
	CALL_SHUTDOWN, CALL_CLOSE, CALL_OPEN, CALL_OPEN_CREATE, CALL_FSTAT, CALL_READ, CALL_WRITE, CALL_UNLINK,
	CALL_NANOSLEEP, CALLS,
};

#define CALL_WORDS 16u
#define CALL_BUF_CAPTURE 32u
#define CALL_PATH_CAPTURE 48u

struct call {
	uint64_t in[CALL_WORDS], out[CALL_WORDS]; /* as in the events; out starts with RET and ENTER_TIME */
	uint64_t entered, exited;                 /* TSC; exited 0 = still going on */
	uint32_t n_in, n_out, outputs, tid;       /* words; outputs: arguments in out after RET and ENTER_TIME */
	enum call_id id;
};

void calls_init(void);

/* Begin a description, add the arguments in the order of the table in calls.c, enter; add the outputs, exit.
 * Outputs that weren't added (the call failed) are sent as 0, or as no bytes. */
void call_begin(struct call *c, enum call_id id);
void call_in(struct call *c, uint64_t word);
void call_in_bytes(struct call *c, const void *data, uint32_t length);
void call_in_path(struct call *c, const char *path);
void call_enter(struct call *c);
void call_out(struct call *c, uint64_t word);
void call_out_bytes(struct call *c, const void *data, uint32_t length);
int64_t call_exit(struct call *c, int64_t ret); /* ret, for a tail call */

#endif
