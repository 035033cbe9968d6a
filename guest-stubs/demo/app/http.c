/* http.c - the key-value server: GET | PUT | DELETE /kv/KEY, GET /, GET /break/KIND, GET /park?ms=N. */
#include "http.h"
#include "app.h"
#include "syscalls.h"
#include "../net/net.h"

#include <lwip/errno.h>

#define KEY_MAX 40u
#define IDLE_MS 3000       /* how long a client may say nothing */
#define SEND_MS 10000
#define HEAD_MS 10000      /* how long a head may take to come */
#define REQUESTS_MAX 1000u /* of one connection */
#define CHUNK 4096u
#define PARK_MS_MAX 600000u
#define GRACE_MS 30        /* between an answer and what stops the world: the connection ends meanwhile */

static const char *const breakages[] = { "null", "smash", "overflow", "assert", "spin", "spin-irqoff", "deadlock", "leak", "exit" };

/* One connection, and the request being worked on. */
struct exchange {
	const char *name;
	int fd;
	char head[HTTP_HEAD_MAX + 1];
	uint32_t have;             /* bytes in head, beyond the current request too */
	struct http_request request;
	uint8_t *body;             /* content_length bytes, or NULL */
	const char *after_break;   /* to do once the answer is out */
	uint32_t after_park;
	bool close;
};

static bool send_all(struct exchange *x, const void *data, size_t size)
{
	const uint8_t *p = data;

	while (size) {
		int64_t n = sys_send(x->fd, p, size, 0);

		if (n <= 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

static void respond(struct exchange *x, int status, const void *data, uint32_t size)
{
	char head[192 + 512];
	bool with_body = strcmp(x->request.method, "HEAD") != 0;
	int n;

	uniobs_count(requests_total, 1);
	if (status >= 400)
		uniobs_count(errors_total, 1);
	n = ksnprintf(head, 192, "HTTP/1.1 %d %s\r\nServer: uniobs-demo\r\nContent-Type: text/plain\r\nContent-Length: %u\r\n"
	              "Connection: %s\r\n\r\n", status, http_reason(status), size, x->close ? "close" : "keep-alive");
	if (with_body && size <= 512) {
		memcpy(head + n, data, size);
		n += (int)size;
		with_body = false;
	}
	if (!send_all(x, head, (size_t)n) || (with_body && !send_all(x, data, size)))
		x->close = true;
	klog(UNIOBS_LEVEL_INFO, "%s %s %s %d %u bytes", x->name, x->request.method[0] ? x->request.method : "-",
	     x->request.target[0] ? x->request.target : "-", status, size);
}

static void respond_text(struct exchange *x, int status)
{
	char text[64];
	int n = ksnprintf(text, sizeof(text), "%s\n", http_reason(status));

	respond(x, status, text, (uint32_t)n);
}

static void get_key(struct exchange *x, const char *path)
{
	uint64_t size = 0;
	int64_t n = 0;
	uint8_t *data;
	int fd = sys_open(path, O_RDONLY, 0);

	if (fd < 0) {
		respond_text(x, fd == -ENOENT ? 404 : 500);
		return;
	}
	sys_fstat(fd, &size);
	data = kmalloc(size + 1);
	if (data)
		n = sys_read(fd, data, size);
	sys_close(fd);
	if (data && n >= 0)
		respond(x, 200, data, (uint32_t)n);
	else
		respond_text(x, 500);
	kfree(data);
}

static void put_key(struct exchange *x, const char *path)
{
	bool created = false;
	int64_t written = 0;
	int fd = sys_open(path, O_WRONLY | O_TRUNC, 0);

	if (fd == -ENOENT) {
		created = true;
		fd = sys_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	}
	if (fd < 0) {
		respond_text(x, fd == -ENOSPC ? 507 : 500);
		return;
	}
	while (written >= 0 && (uint32_t)written < x->request.content_length) {
		uint32_t left = x->request.content_length - (uint32_t)written;
		int64_t n = sys_write(fd, x->body + written, left < CHUNK ? left : CHUNK);

		written = n > 0 ? written + n : n < 0 ? n : -EIO;
	}
	sys_close(fd);
	if (written < 0) {
		sys_unlink(path);
		respond_text(x, 507);
	} else {
		respond_text(x, created ? 201 : 200);
	}
	store_changed();
}

static void delete_key(struct exchange *x, const char *path)
{
	respond_text(x, sys_unlink(path) == 0 ? 200 : 404);
	store_changed();
}

static void key_value(struct exchange *x, const char *key_text)
{
	char path[sizeof("/data/") + KEY_MAX] = "/data/";

	if (!http_key(key_text, path + 6, KEY_MAX + 1))
		respond_text(x, 400);
	else if (strcmp(x->request.method, "GET") == 0 || strcmp(x->request.method, "HEAD") == 0)
		get_key(x, path);
	else if (strcmp(x->request.method, "PUT") == 0 || strcmp(x->request.method, "POST") == 0)
		put_key(x, path);
	else if (strcmp(x->request.method, "DELETE") == 0)
		delete_key(x, path);
	else
		respond_text(x, 405);
}

static void status(struct exchange *x)
{
	char text[256];
	uint64_t up = clock_ns() / 1000000;
	int n = ksnprintf(text, sizeof(text), "uniobs demo guest\nup %lu.%03lu s\nkeys %u\nrequests %lu\n",
	                  (unsigned long)(up / 1000), (unsigned long)(up % 1000), ramfs_count(),
	                  requests_total ? (unsigned long)requests_total->value : 0ul);

	respond(x, 200, text, (uint32_t)n);
}

static void breakage(struct exchange *x, const char *kind)
{
	unsigned i;

	for (i = 0; i < sizeof(breakages) / sizeof(breakages[0]); i++)
		if (strcmp(kind, breakages[i]) == 0) {
			x->after_break = breakages[i];
			x->close = true;
			respond_text(x, 200);
			return;
		}
	respond_text(x, 404);
}

static void parking(struct exchange *x, const char *query)
{
	char *end = NULL;
	unsigned long ms = strncmp(query, "?ms=", 4) == 0 ? strtoul(query + 4, &end, 10) : 0;

	if (!end || *end || ms == 0 || ms > PARK_MS_MAX) {
		respond_text(x, 400);
		return;
	}
	x->after_park = (uint32_t)ms;
	x->close = true;
	respond_text(x, 200);
}

static void route(struct exchange *x)
{
	const char *target = x->request.target;
	bool get = strcmp(x->request.method, "GET") == 0 || strcmp(x->request.method, "HEAD") == 0;

	if (strncmp(target, "/kv/", 4) == 0)
		key_value(x, target + 4);
	else if (!get)
		respond_text(x, strcmp(target, "/") == 0 ? 405 : 404);
	else if (strcmp(target, "/") == 0)
		status(x);
	else if (strncmp(target, "/break/", 7) == 0)
		breakage(x, target + 7);
	else if (strncmp(target, "/park", 5) == 0)
		parking(x, target + 5);
	else
		respond_text(x, 404);
}

/* Receive up to the blank line; the head's length with it, 0 = the client is gone (or silent), -1 = too long. */
static int64_t read_head(struct exchange *x)
{
	uint64_t until = clock_ns() + HEAD_MS * 1000000ull;
	uint32_t scanned = 0;

	for (;;) {
		int64_t n;

		for (; scanned < x->have; scanned++) {
			if (x->head[scanned] != '\n')
				continue;
			if (scanned >= 1 && x->head[scanned - 1] == '\n')
				return scanned + 1;
			if (scanned >= 3 && memcmp(x->head + scanned - 3, "\r\n\r", 3) == 0)
				return scanned + 1;
		}
		if (x->have == HTTP_HEAD_MAX)
			return -1;
		n = sys_recv(x->fd, x->head + x->have, HTTP_HEAD_MAX - x->have, 0);
		if (n <= 0 || clock_ns() > until)
			return 0;
		x->have += (uint32_t)n;
	}
}

/* Cut the blank line off, and the last line's end: what remains is lines. The body behind stays. */
static void end_lines(char *head, uint32_t size)
{
	unsigned i;

	for (i = 0; i < 2 && size; i++) {
		size--;
		if (size && head[size - 1] == '\r')
			size--;
	}
	head[size] = '\0';
}

/* Take the body: first what came with the head, then from the connection. */
static bool read_body(struct exchange *x, uint32_t head_size)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	uint32_t size = x->request.content_length, got = x->have - head_size;

	if (got > size)
		got = size;
	if (size) {
		memcpy(x->body, x->head + head_size, got);
		if (x->request.expect_continue && got < size && !send_all(x, go_on, sizeof(go_on) - 1))
			return false;
	}
	x->have -= head_size + got;
	memmove(x->head, x->head + head_size + got, x->have);
	while (got < size) {
		int64_t n = sys_recv(x->fd, x->body + got, size - got, 0);

		if (n <= 0)
			return false;
		got += (uint32_t)n;
	}
	return true;
}

static void refuse(struct exchange *x, int code)
{
	x->close = true;
	respond_text(x, code);
}

/* One request; false when the connection is over. */
static bool serve_one(struct exchange *x)
{
	int64_t head_size = read_head(x);
	bool whole;
	int code;

	if (head_size == 0)
		return false;
	memset(&x->request, 0, sizeof(x->request));
	if (head_size < 0) {
		refuse(x, 431);
		return false;
	}
	if (memchr(x->head, '\0', (size_t)head_size)) {
		refuse(x, 400);
		return false;
	}
	end_lines(x->head, (uint32_t)head_size);
	code = http_parse(x->head, &x->request);
	if (code) {
		refuse(x, code);
		return false;
	}
	x->close = !x->request.keep_alive;
	x->body = NULL;
	if (x->request.content_length) {
		x->body = kmalloc(x->request.content_length);
		if (!x->body) {
			refuse(x, 507);
			return false;
		}
	}
	whole = read_body(x, (uint32_t)head_size);
	if (whole)
		route(x);
	else
		refuse(x, 400);
	kfree(x->body);
	return whole && !x->close;
}

static void parked(void *ms)
{
	uint64_t flags = irq_save();

	net_publish();
	park((uint32_t)(uintptr_t)ms);
	irq_restore(flags);
}

void http_serve(const char *name, int fd)
{
	struct exchange *x = kcalloc(1, sizeof(*x));
	const char *kind = NULL;
	uint32_t ms = 0;
	unsigned n;

	if (x) {
		x->name = name;
		x->fd = fd;
		sys_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, IDLE_MS);
		sys_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, SEND_MS);
		sys_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
		for (n = 0; n < REQUESTS_MAX && serve_one(x); n++)
			;
		kind = x->after_break;
		ms = x->after_park;
		kfree(x);
	}
	sys_close(fd);
	if (ms || kind)
		sleep_ms(GRACE_MS);
	if (ms)
		net_call(parked, (void *)(uintptr_t)ms);
	if (kind)
		breakage_start(kind);
}
