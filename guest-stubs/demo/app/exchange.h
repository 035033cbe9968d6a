/* exchange.h - one HTTP connection and the request being worked on. */
#ifndef DEMO_EXCHANGE_H
#define DEMO_EXCHANGE_H

#include "http.h"

struct exchange {
	const char *name;          /* the thread's, for the log */
	int fd;
	char head[HTTP_HEAD_MAX + 1];
	uint32_t have;             /* bytes in head, beyond the current request too */
	struct http_request request;
	uint8_t *body;             /* content_length bytes, or NULL */
	const char *after_break;   /* to do once the answer is out */
	uint32_t after_park;
	bool close;
};

/* All of it, or false: the client is gone. */
bool send_all(struct exchange *x, const void *data, size_t size);
/* Answer, count, log. A failure to send marks the exchange to be closed. */
void respond(struct exchange *x, int status, const void *data, uint32_t size);
/* The status's own words as the body. */
void respond_text(struct exchange *x, int status);
/* Do what the request asks for and answer it. */
void route(struct exchange *x);

#endif
