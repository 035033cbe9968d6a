/* calls.c - the table of system calls: events for tools outside, and a short log of our own to check them by. */
#include "calls.h"

#define ARGS_MAX 6u
#define KEPT 32u    /* finished calls in the log */
#define GOING 16u   /* calls that threads are in */

struct call_def {
	const char *name;
	struct uniobs_arg_def in[ARGS_MAX], out[ARGS_MAX];
};

#define A(kind, pos, name) { UNIOBS_ARG_##kind, pos, name }

/* Names and the order of arguments are those that strace prints on Linux; an output says which argument it fills. */
static const struct call_def defs[CALLS] = {
	[CALL_SOCKET] = { "socket", { A(SOCK_DOMAIN, 0, "domain"), A(SOCK_TYPE, 1, "type"), A(SOCK_PROTO, 2, "protocol") }, { A(NONE, 0, NULL) } },
	[CALL_SETSOCKOPT] = { "setsockopt", { A(FD, 0, "fd"), A(SOCK_LEVEL, 1, "level"), A(SOCK_OPT, 2, "optname"), A(I64, 3, "optval"), A(SIZE, 4, "optlen") }, { A(NONE, 0, NULL) } },
	[CALL_BIND] = { "bind", { A(FD, 0, "fd"), A(SOCKADDR, 1, "addr"), A(SIZE, 2, "addrlen") }, { A(NONE, 0, NULL) } },
	[CALL_LISTEN] = { "listen", { A(FD, 0, "fd"), A(I64, 1, "backlog") }, { A(NONE, 0, NULL) } },
	[CALL_ACCEPT] = { "accept", { A(FD, 0, "fd") }, { A(SOCKADDR, 1, "addr"), A(SIZE, 2, "addrlen") } },
	[CALL_RECV] = { "recv", { A(FD, 0, "fd"), A(SIZE, 2, "len"), A(MSG_FLAGS, 3, "flags") }, { A(BUF, 1, "buf") } },
	[CALL_SEND] = { "send", { A(FD, 0, "fd"), A(BUF, 1, "buf"), A(SIZE, 2, "len"), A(MSG_FLAGS, 3, "flags") }, { A(NONE, 0, NULL) } },
	[CALL_RECVFROM] = { "recvfrom", { A(FD, 0, "fd"), A(SIZE, 2, "len"), A(MSG_FLAGS, 3, "flags") }, { A(BUF, 1, "buf"), A(SOCKADDR, 4, "addr"), A(SIZE, 5, "addrlen") } },
	[CALL_SENDTO] = { "sendto", { A(FD, 0, "fd"), A(BUF, 1, "buf"), A(SIZE, 2, "len"), A(MSG_FLAGS, 3, "flags"), A(SOCKADDR, 4, "addr"), A(SIZE, 5, "addrlen") }, { A(NONE, 0, NULL) } },
	[CALL_SHUTDOWN] = { "shutdown", { A(FD, 0, "fd"), A(SHUT_HOW, 1, "how") }, { A(NONE, 0, NULL) } },
	[CALL_CLOSE] = { "close", { A(FD, 0, "fd") }, { A(NONE, 0, NULL) } },
	[CALL_OPEN] = { "open", { A(PATH, 0, "path"), A(OPEN_FLAGS, 1, "flags") }, { A(NONE, 0, NULL) } },
	[CALL_OPEN_CREATE] = { "open", { A(PATH, 0, "path"), A(OPEN_FLAGS, 1, "flags"), A(MODE, 2, "mode") }, { A(NONE, 0, NULL) } },
	[CALL_FSTAT] = { "fstat", { A(FD, 0, "fd") }, { A(SIZE, 1, "st_size") } },
	[CALL_READ] = { "read", { A(FD, 0, "fd"), A(SIZE, 2, "count") }, { A(BUF, 1, "buf") } },
	[CALL_WRITE] = { "write", { A(FD, 0, "fd"), A(BUF, 1, "buf"), A(SIZE, 2, "count") }, { A(NONE, 0, NULL) } },
	[CALL_UNLINK] = { "unlink", { A(PATH, 0, "path") }, { A(NONE, 0, NULL) } },
	[CALL_NANOSLEEP] = { "nanosleep", { A(NS, 0, "duration"), A(PTR, 1, "rem") }, { A(NONE, 0, NULL) } },
};

static uint16_t enter_event[CALLS], exit_event[CALLS];
static struct call kept[KEPT];
static uint64_t finished;      /* how many ever; the last KEPT are in kept[] */
static struct call *going[GOING];

static uint8_t count(const struct uniobs_arg_def *args)
{
	uint8_t n = 0;

	while (n < ARGS_MAX && args[n].kind != UNIOBS_ARG_NONE)
		n++;
	return n;
}

/* One value, or a captured text, of a call: as key=value. Returns the words it takes. */
static uint32_t dump_arg(const struct uniobs_arg_def *def, const uint64_t *w)
{
	char text[CALL_PATH_CAPTURE + 1];
	uint32_t length, captured, i;

	switch (def->kind) {
	case UNIOBS_ARG_PATH:
	case UNIOBS_ARG_BUF:
		length = (uint32_t)w[0];
		captured = (uint32_t)(w[0] >> 32) & 0xffff;
		ksnprintf(text, sizeof(text), "%s.length", def->name);
		dump_u64(text, length);
		/* bytes as they are, in hex: a buffer may hold NULs */
		kprintf(" %s=", def->name);
		for (i = 0; i < captured; i++)
			kprintf("%02x", ((const uint8_t *)(w + 1))[i]);
		return 1 + (captured + 7) / 8;
	case UNIOBS_ARG_SOCKADDR:
		ksnprintf(text, sizeof(text), "%u.%u.%u.%u:%u", (unsigned)(w[0] & 255), (unsigned)(w[0] >> 8 & 255),
		          (unsigned)(w[0] >> 16 & 255), (unsigned)(w[0] >> 24 & 255), (unsigned)(w[0] >> 32 & 0xffff));
		dump_str(def->name, text);
		return 1;
	default:
		dump_i64(def->name, (int64_t)w[0]);
		return 1;
	}
}

static void dump_call(const struct call *c)
{
	const struct call_def *def = &defs[c->id];
	uint32_t i, at;

	dump_begin("call");
	dump_str("name", def->name);
	dump_u64("tid", c->tid);
	dump_u64("enter", c->entered);
	for (i = at = 0; i < count(def->in) && at < c->n_in; i++)
		at += dump_arg(&def->in[i], c->in + at);
	if (c->exited) {
		dump_u64("exit", c->exited);
		dump_i64("ret", (int64_t)c->out[0]);
		for (i = 0, at = 2; i < count(def->out) && at < c->n_out; i++)
			at += dump_arg(&def->out[i], c->out + at);
	}
	dump_end();
}

/* Finished calls, oldest first, then those that threads are in. */
static void dump(void)
{
	uint64_t i;

	for (i = finished > KEPT ? finished - KEPT : 0; i < finished; i++)
		dump_call(&kept[i % KEPT]);
	for (i = 0; i < GOING; i++)
		if (going[i])
			dump_call(going[i]);
}

void calls_init(void)
{
	unsigned i;

	for (i = 0; i < CALLS; i++) {
		struct uniobs_arg_def out[ARGS_MAX + 2] = { A(RET, 0, "ret"), A(ENTER_TIME, 0, "entered") };
		uint8_t n = count(defs[i].out);

		memcpy(out + 2, defs[i].out, n * sizeof(out[0]));
		enter_event[i] = uniobs_event(defs[i].name, UNIOBS_PHASE_ENTER, UNIOBS_CATEGORY_SYSCALL, 0, defs[i].in, count(defs[i].in));
		exit_event[i] = uniobs_event(defs[i].name, UNIOBS_PHASE_EXIT, UNIOBS_CATEGORY_SYSCALL, enter_event[i], out, (uint8_t)(n + 2));
	}
	dump_register(dump);
}

void call_begin(struct call *c, enum call_id id)
{
	c->id = id;
	c->tid = thread_tid();
	c->n_in = 0;
	c->n_out = 2;
	c->outputs = 0;
	c->exited = 0;
}

void call_in(struct call *c, uint64_t word)
{
	kassert(c->n_in < CALL_WORDS);
	c->in[c->n_in++] = word;
}

void call_in_bytes(struct call *c, const void *data, uint32_t length)
{
	kassert(c->n_in + 1 + CALL_BUF_CAPTURE / 8 <= CALL_WORDS);
	c->n_in = uniobs_pack(c->in, c->n_in, data, length, CALL_BUF_CAPTURE);
}

void call_in_path(struct call *c, const char *path)
{
	kassert(c->n_in + 1 + CALL_PATH_CAPTURE / 8 <= CALL_WORDS);
	c->n_in = uniobs_pack(c->in, c->n_in, path, (uint32_t)strlen(path), CALL_PATH_CAPTURE);
}

/* The event and our own record of it are one step: nobody sees one without the other. */
void call_enter(struct call *c)
{
	uint64_t flags = irq_save();
	unsigned i;

	c->entered = uniobs_emit(enter_event[c->id], c->tid, c->in, c->n_in);
	for (i = 0; i < GOING; i++)
		if (!going[i]) {
			going[i] = c;
			break;
		}
	irq_restore(flags);
}

void call_out(struct call *c, uint64_t word)
{
	kassert(c->n_out < CALL_WORDS);
	c->out[c->n_out++] = word;
	c->outputs++;
}

void call_out_bytes(struct call *c, const void *data, uint32_t length)
{
	kassert(c->n_out + 1 + CALL_BUF_CAPTURE / 8 <= CALL_WORDS);
	c->n_out = uniobs_pack(c->out, c->n_out, data, length, CALL_BUF_CAPTURE);
	c->outputs++;
}

int64_t call_exit(struct call *c, int64_t ret)
{
	uint64_t flags;
	unsigned i;

	while (c->outputs < count(defs[c->id].out))
		call_out(c, 0);
	flags = irq_save();
	c->out[0] = (uint64_t)ret;
	c->out[1] = c->entered;
	c->exited = uniobs_emit(exit_event[c->id], c->tid, c->out, c->n_out);
	for (i = 0; i < GOING; i++)
		if (going[i] == c)
			going[i] = NULL;
	kept[finished++ % KEPT] = *c;
	irq_restore(flags);
	return ret;
}
