/* http.c - one connection of the HTTP server: requests are read, answered, and the answers counted and logged. */
#include "app.h"
#include "exchange.h"
#include "syscalls.h"
#include "../net/net.h"

#define IDLE_MS 5000       /* how long a client may say nothing */
#define SEND_MS 10000
#define HEAD_MS 10000      /* how long a head may take to come */
#define REQUESTS_MAX 1000u /* of one connection */
#define GRACE_MS 30        /* between an answer and what stops the world: the connection ends meanwhile */

bool send_all(struct exchange *x, const void *data, size_t size)
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

void respond(struct exchange *x, int status, const void *data, uint32_t size)
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

void respond_text(struct exchange *x, int status)
{
	char text[64];
	int n = ksnprintf(text, sizeof(text), "%s\n", http_reason(status));

	respond(x, status, text, (uint32_t)n);
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
