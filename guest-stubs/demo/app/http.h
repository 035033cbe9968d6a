/* http.h - requests and answers of the key-value server. */
#ifndef DEMO_HTTP_H
#define DEMO_HTTP_H

#include "kernel.h"

#define HTTP_HEAD_MAX 4096u
#define HTTP_BODY_MAX 65536u

struct http_request {
	char method[8];
	char target[160];          /* as sent, printable ASCII */
	bool keep_alive, expect_continue, http_1_0;
	uint32_t content_length;
};

/* Parse a head (without its blank line). 0, or the status to answer with: 400, 413, 414, 431, 501, 505. */
int http_parse(char *head, struct http_request *out);
/* Undo %XX in up to `size` bytes of text; false when it is malformed, too long or holds anything but
 * letters, digits and ._:- (what a key may be made of). */
bool http_key(const char *text, char *out, size_t size);
const char *http_reason(int status);

/* Serve one accepted connection until it ends; name is the thread's, for the log. */
void http_serve(const char *name, int fd);

#endif
