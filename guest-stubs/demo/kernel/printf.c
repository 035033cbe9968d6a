/* printf.c - formatted text: flags - 0 # + blank, width, precision, hh h l ll z t j, and d i u x X p s c %. */
#include "internal.h"

struct out { char *to; size_t size, n; };
struct spec { bool left, zero, alt, plus, blank; int width, precision; };

static void put(struct out *o, char c)
{
	if (o->n + 1 < o->size)
		o->to[o->n] = c;
	o->n++;
}

static void pad(struct out *o, char c, int n)
{
	for (; n > 0; n--)
		put(o, c);
}

static void put_string(struct out *o, const struct spec *f, const char *s)
{
	size_t n;

	if (s == NULL)
		s = "(null)";
	n = f->precision >= 0 ? strnlen(s, (size_t)f->precision) : strlen(s);
	if (!f->left)
		pad(o, ' ', f->width - (int)n);
	for (size_t i = 0; i < n; i++)
		put(o, s[i]);
	if (f->left)
		pad(o, ' ', f->width - (int)n);
}

static void put_number(struct out *o, struct spec *f, uint64_t v, bool negative, unsigned base, bool upper)
{
	char digits[24];
	const char *prefix = negative ? "-" : f->plus ? "+" : f->blank ? " " : "";
	int n = 0, zeros, width;

	if (f->alt && base == 16 && v != 0)
		prefix = upper ? "0X" : "0x";
	for (; v != 0; v /= base)
		digits[n++] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[v % base];
	zeros = (f->precision < 0 ? 1 : f->precision) - n;
	width = f->width - n - (zeros > 0 ? zeros : 0) - (int)strlen(prefix);
	if (f->zero && !f->left && f->precision < 0 && width > 0) {
		zeros = (zeros > 0 ? zeros : 0) + width;
		width = 0;
	}
	if (!f->left)
		pad(o, ' ', width);
	while (*prefix != '\0')
		put(o, *prefix++);
	pad(o, '0', zeros);
	while (n > 0)
		put(o, digits[--n]);
	if (f->left)
		pad(o, ' ', width);
}

static const char *parse(struct spec *f, const char *p, int *star)
{
	*f = (struct spec){ .precision = -1 };
	for (;; p++) {
		if (*p == '-')
			f->left = true;
		else if (*p == '0')
			f->zero = true;
		else if (*p == '#')
			f->alt = true;
		else if (*p == '+')
			f->plus = true;
		else if (*p == ' ')
			f->blank = true;
		else
			break;
	}
	*star = 0;
	if (*p == '*') {
		*star |= 1;
		p++;
	}
	while (*p >= '0' && *p <= '9')
		f->width = f->width * 10 + *p++ - '0';
	if (*p == '.') {
		f->precision = 0;
		if (*++p == '*') {
			*star |= 2;
			p++;
		}
		while (*p >= '0' && *p <= '9')
			f->precision = f->precision * 10 + *p++ - '0';
	}
	return p;
}

int kvsnprintf(char *to, size_t size, const char *p, va_list args)
{
	struct out o = { to, size, 0 };
	char one[2] = { 0, 0 };

	for (; *p != '\0'; p++) {
		struct spec f;
		int star, longs = 0;
		int64_t v;

		if (*p != '%') {
			put(&o, *p);
			continue;
		}
		p = parse(&f, p + 1, &star);
		if (star & 1)
			f.width = va_arg(args, int);
		if (star & 2)
			f.precision = va_arg(args, int);
		for (; *p == 'l' || *p == 'z' || *p == 'j' || *p == 't' || *p == 'h'; p++)
			longs += *p == 'h' ? -1 : 1;
		switch (*p) {
		case 'd': case 'i':
			v = longs > 0 ? va_arg(args, int64_t) : va_arg(args, int);
			put_number(&o, &f, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0, 10, false);
			break;
		case 'u': case 'x': case 'X':
			f.plus = f.blank = false;
			put_number(&o, &f, longs > 0 ? va_arg(args, uint64_t) : va_arg(args, unsigned), false, *p == 'u' ? 10 : 16, *p == 'X');
			break;
		case 'p':
			f.alt = true;
			put_number(&o, &f, (uint64_t)va_arg(args, void *), false, 16, false);
			break;
		case 's':
			put_string(&o, &f, va_arg(args, const char *));
			break;
		case 'c':
			one[0] = (char)va_arg(args, int);
			put_string(&o, &f, one);
			break;
		case '%':
			put(&o, '%');
			break;
		default: /* unknown: show it, and stop believing the arguments */
			put(&o, '%');
			if (*p == '\0')
				p--;
			else
				put(&o, *p);
		}
	}
	if (size != 0)
		to[o.n < size ? o.n : size - 1] = '\0';
	return (int)o.n;
}

int ksnprintf(char *to, size_t size, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = kvsnprintf(to, size, format, args);
	va_end(args);
	return n;
}

void kvprintf(const char *format, va_list args)
{
	char line[512];
	int n = kvsnprintf(line, sizeof(line), format, args);

	console_write(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void kprintf(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	kvprintf(format, args);
	va_end(args);
}
