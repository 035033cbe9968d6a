/*
 * demo.c - an HTTP key-value server with several threads, as an ordinary process that carries the library.
 *
 * demo-hosted PORT [DIRECTORY]: listens on 127.0.0.1:PORT (0 = any; printed), keeps values as files.
 * GET /, GET|PUT|DELETE /kv/KEY, GET /break/null|abort|overflow|deadlock|spin|exit.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "break.h"
#include "hosted.h"
#include "sys.h"

#define WORKERS 4
#define QUEUE 32
#define BODY 65536

static struct uniobs_mutex queue_lock, store_lock;
static struct uniobs_cond queue_filled;
static int queue[QUEUE];
static unsigned queue_in, queue_out;
static char directory[200];
static uniobs_counter_t *requests, *errors, *sent_bytes, *queued;

struct request { char method[8], path[256], *body; size_t body_size; };

static void respond(int fd, int status, const char *reason, const void *body, size_t size)
{
	char head[160];
	int n = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status, reason, size);
	ssize_t sent = sys_send(fd, head, (size_t)n, size ? MSG_MORE : 0);

	uniobs_count(sent_bytes, sent > 0 ? (uint64_t)sent : 0);
	for (size_t at = 0; at < size && sent >= 0; at += (size_t)sent) {
		sent = sys_send(fd, (const char *)body + at, size - at, 0);
		uniobs_count(sent_bytes, sent > 0 ? (uint64_t)sent : 0);
	}
	if (status >= 400)
		uniobs_count(errors, 1);
}

static void respond_text(int fd, int status, const char *reason)
{
	respond(fd, status, reason, reason, strlen(reason));
}

/* A key is letters, digits and "._:-", so that it is a file name and nothing else. */
static int key_path(const char *key, char *out, size_t size)
{
	size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-");

	return n && n < 64 && !key[n] && key[0] != '.' && snprintf(out, size, "%s/%s", directory, key) < (int)size;
}

static void kv(int fd, const struct request *r, const char *key)
{
	char path[300], value[BODY];
	ssize_t n = 0;
	int file;

	if (!key_path(key, path, sizeof path))
		return respond_text(fd, 400, "Bad Key");
	uniobs_mutex_lock(&store_lock);
	if (!strcmp(r->method, "GET")) {
		file = sys_open(path, O_RDONLY, 0);
		if (file >= 0)
			n = sys_read(file, value, sizeof value), sys_close(file);
	} else if (!strcmp(r->method, "PUT")) {
		file = sys_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (file >= 0)
			n = sys_write(file, r->body, r->body_size), sys_close(file);
	} else {
		file = strcmp(r->method, "DELETE") ? -EINVAL : sys_unlink(path);
	}
	uniobs_mutex_unlock(&store_lock);
	if (file == -ENOENT)
		respond_text(fd, 404, "Not Found");
	else if (file < 0 || n < 0)
		respond_text(fd, file == -EINVAL ? 405 : 500, file == -EINVAL ? "Method Not Allowed" : "Internal Server Error");
	else if (r->method[0] == 'G')
		respond(fd, 200, "OK", value, (size_t)n);
	else
		respond_text(fd, r->method[0] == 'P' ? 201 : 200, "OK");
}

/* Read a whole request into buffer (BODY bytes and a NUL). 0, or -1 when the peer sent none. */
static int read_request(int fd, char *buffer, struct request *r)
{
	size_t have = 0, want = 0;
	char *end = 0, *length;
	ssize_t n;

	for (;;) {
		if (end && have >= want)
			break;
		if (have == BODY)
			return -1;
		n = sys_recv(fd, buffer + have, BODY - have, 0);
		if (n <= 0)
			return -1;
		have += (size_t)n;
		buffer[have] = 0;
		if (!end && (end = strstr(buffer, "\r\n\r\n"))) {
			length = strcasestr(buffer, "\r\nContent-Length:");
			want = (size_t)(end + 4 - buffer) + (length && length < end ? strtoul(length + 17, 0, 10) : 0);
			if (want > BODY)
				return -1;
		}
	}
	r->body = end + 4;
	r->body_size = want - (size_t)(end + 4 - buffer);
	return sscanf(buffer, "%7s %255s", r->method, r->path) == 2 ? 0 : -1;
}

static void serve(int fd)
{
	char buffer[BODY + 1];
	struct request r;

	if (read_request(fd, buffer, &r)) {
		respond_text(fd, 400, "Bad Request");
		sys_close(fd);
		return;
	}
	uniobs_count(requests, 1);
	uniobs_hosted_log(UNIOBS_LEVEL_INFO, "%s %s", r.method, r.path);
	if (!strncmp(r.path, "/kv/", 4))
		kv(fd, &r, r.path + 4);
	else if (!strncmp(r.path, "/break/", 7) && break_known(r.path + 7)) {
		respond_text(fd, 200, "OK");
		sys_close(fd);
		break_now(r.path + 7);
		return;
	} else if (!strcmp(r.path, "/"))
		respond_text(fd, 200, "demo-hosted: a key-value server. GET, PUT, DELETE /kv/KEY");
	else
		respond_text(fd, 404, "Not Found");
	sys_close(fd);
}

static void *worker(void *unused)
{
	(void)unused;
	for (;;) {
		uniobs_mutex_lock(&queue_lock);
		while (queue_in == queue_out)
			uniobs_cond_wait(&queue_filled, &queue_lock);
		int fd = queue[queue_out++ % QUEUE];
		uniobs_gauge(queued, queue_in - queue_out);
		uniobs_mutex_unlock(&queue_lock);
		serve(fd);
	}
	return 0;
}

static void *ticker(void *unused)
{
	(void)unused;
	for (;;) {
		uniobs_hosted_sleep(100000000);
		uniobs_hosted_sample();
	}
	return 0;
}

static int listen_on(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	int fd = sys_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, error;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	error = sys_bind(fd, &address);
	if (!error)
		error = sys_listen(fd, 16);
	if (error)
		return error;
	getsockname(fd, (struct sockaddr *)&address, &size);
	printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

/* A directory of our own goes with a clean exit: the values in it, then itself. */
static void remove_directory(void)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(directory);
}

static int prepare(int argc, char **argv)
{
	static const char *const names[WORKERS] = { "worker-1", "worker-2", "worker-3", "worker-4" };
	int error = uniobs_hosted_start("demo-hosted", 0);

	if (error)
		return error;
	snprintf(directory, sizeof directory, "%s", argc > 2 ? argv[2] : "/tmp/demo-hosted-XXXXXX");
	if (argc <= 2 && !mkdtemp(directory))
		return -errno;
	if (argc <= 2)
		atexit(remove_directory);
	sys_init();
	requests = uniobs_counter_new("http.requests", UNIOBS_COUNTER_KIND_COUNTER, UNIOBS_UNIT_EVENTS);
	errors = uniobs_counter_new("http.errors", UNIOBS_COUNTER_KIND_COUNTER, UNIOBS_UNIT_EVENTS);
	sent_bytes = uniobs_counter_new("http.sent", UNIOBS_COUNTER_KIND_COUNTER, UNIOBS_UNIT_BYTES);
	queued = uniobs_counter_new("http.queued", UNIOBS_COUNTER_KIND_GAUGE, UNIOBS_UNIT_NONE);
	uniobs_mutex_init(&queue_lock, "queue");
	uniobs_mutex_init(&store_lock, "store");
	uniobs_cond_init(&queue_filled, "queue.filled");
	break_init();
	for (int i = 0; i < WORKERS && !error; i++)
		error = uniobs_hosted_thread(0, names[i], worker, 0);
	return error ? error : uniobs_hosted_thread(0, "ticker", ticker, 0);
}

int main(int argc, char **argv)
{
	int error = argc < 2 ? -EINVAL : prepare(argc, argv), listener = error ? error : listen_on((unsigned)atoi(argv[1]));

	if (listener < 0) {
		fprintf(stderr, "demo-hosted: %s\nusage: demo-hosted PORT [DIRECTORY]\n", strerror(-listener));
		return 2;
	}
	uniobs_hosted_log(UNIOBS_LEVEL_NOTICE, "serving with %d workers", WORKERS);
	for (;;) {
		struct sockaddr_in peer;
		int fd = sys_accept(listener, &peer);

		if (fd < 0)
			continue;
		uniobs_mutex_lock(&queue_lock);
		if (queue_in - queue_out < QUEUE)
			queue[queue_in++ % QUEUE] = fd, fd = -1;
		uniobs_gauge(queued, queue_in - queue_out);
		uniobs_cond_signal(&queue_filled);
		uniobs_mutex_unlock(&queue_lock);
		if (fd >= 0)
			sys_close(fd);  /* too many are waiting */
	}
}
