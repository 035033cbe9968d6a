/* http_parse.c - the head of an HTTP/1.x request. Everything in it may be garbage. */
#include "http.h"

const char *http_reason(int status)
{
	switch (status) {
	case 200: return "OK";
	case 201: return "Created";
	case 204: return "No Content";
	case 400: return "Bad Request";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 413: return "Content Too Large";
	case 414: return "URI Too Long";
	case 431: return "Request Header Fields Too Large";
	case 501: return "Not Implemented";
	case 505: return "HTTP Version Not Supported";
	case 507: return "Insufficient Storage";
	default: return "Internal Server Error";
	}
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return !*a && !*b;
}

/* Whether the comma-separated list holds the word. */
static bool lists(const char *list, const char *word)
{
	size_t n = strlen(word), i;

	while (*list) {
		while (*list == ' ' || *list == ',' || *list == '\t')
			list++;
		for (i = 0; i < n && lower(list[i]) == word[i]; i++)
			;
		if (i == n && (!list[n] || list[n] == ',' || list[n] == ' ' || list[n] == '\t'))
			return true;
		while (*list && *list != ',')
			list++;
	}
	return false;
}

/* Copy the word up to `end`; its length, 0 when there is none, or it has odd characters, or is too long. */
static size_t word(const char *from, char end, char *to, size_t size)
{
	size_t n;

	for (n = 0; from[n] && from[n] != end; n++) {
		if (from[n] <= ' ' || from[n] >= 0x7f || n + 1 >= size)
			return 0;
		to[n] = from[n];
	}
	to[n] = '\0';
	return from[n] == end ? n : 0;
}

static int parse_line(char *line, struct http_request *out)
{
	char version[16];
	const char *target, *end;
	size_t n = word(line, ' ', out->method, sizeof(out->method));

	if (!n)
		return 400;
	target = line + n + 1;
	end = strchr(target, ' ');
	if (!end || end == target)
		return 400;
	if ((size_t)(end - target) >= sizeof(out->target))
		return 414;
	n = word(target, ' ', out->target, sizeof(out->target));
	if (!n || out->target[0] != '/')
		return 400;
	if (!word(target + n + 1, '\0', version, sizeof(version)))
		return 400;
	if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
		return strncmp(version, "HTTP/", 5) == 0 ? 505 : 400;
	out->http_1_0 = version[7] == '0';
	out->keep_alive = !out->http_1_0;
	return 0;
}

static int parse_length(const char *value, struct http_request *out, bool *seen)
{
	uint32_t n = 0;
	const char *p;

	if (!*value)
		return 400;
	for (p = value; *p; p++) {
		if (*p < '0' || *p > '9')
			return 400;
		if (n <= HTTP_BODY_MAX)
			n = n * 10 + (uint32_t)(*p - '0');
	}
	if (*seen && n != out->content_length)
		return 400;
	*seen = true;
	out->content_length = n;
	return n > HTTP_BODY_MAX ? 413 : 0;
}

static int parse_header(char *line, struct http_request *out, bool *length_seen)
{
	char *value = strchr(line, ':'), *end;
	const char *p;

	if (!value || value == line)
		return 400;
	for (p = line; p < value; p++)
		if (*p <= ' ' || *p >= 0x7f)
			return 400;
	*value++ = '\0';
	while (*value == ' ' || *value == '\t')
		value++;
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	if (same(line, "content-length"))
		return parse_length(value, out, length_seen);
	if (same(line, "transfer-encoding"))
		return 501;
	if (same(line, "connection")) {
		if (lists(value, "close"))
			out->keep_alive = false;
		else if (lists(value, "keep-alive"))
			out->keep_alive = true;
	} else if (same(line, "expect") && lists(value, "100-continue")) {
		out->expect_continue = true;
	}
	return 0;
}

int http_parse(char *head, struct http_request *out)
{
	bool length_seen = false, first = true;
	char *line = head, *next, *end;
	int status;

	memset(out, 0, sizeof(*out));
	for (; line; line = next, first = false) {
		end = strchr(line, '\n');
		next = end ? end + 1 : NULL;
		if (end) {
			if (end > line && end[-1] == '\r')
				end--;
			*end = '\0';
		}
		status = first ? parse_line(line, out) : parse_header(line, out, &length_seen);
		if (status)
			return status;
	}
	return 0;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http_key(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text; text++) {
		char c = *text;

		if (c == '%') {
			int high = hex(text[1]), low = high < 0 ? -1 : hex(text[2]);

			if (low < 0)
				return false;
			c = (char)(high * 16 + low);
			text += 2;
		}
		if (!((c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '.' || c == '_' || c == ':' || c == '-'))
			return false;
		if (n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return n > 0;
}
