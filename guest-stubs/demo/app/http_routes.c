/* http_routes.c - what can be asked: GET | PUT | DELETE /kv/KEY, GET /, GET /break/KIND, GET /park?ms=N. */
#include "app.h"
#include "exchange.h"
#include "syscalls.h"

#include <lwip/errno.h>

#define KEY_MAX 40u
#define CHUNK 4096u
#define PARK_MS_MAX 600000u

static const char *const breakages[] = { "null", "smash", "overflow", "assert", "spin", "spin-irqoff", "deadlock", "leak", "exit" };

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

void route(struct exchange *x)
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
