/* rtc.c - wall time from the CMOS clock, which counts whole seconds in UTC: right to half a second. */
#include "internal.h"

struct cmos { uint8_t sec, min, hour, day, month, year, b; };

static uint8_t cmos_read(uint8_t reg)
{
	outb(0x70, 0x80 | reg);
	return inb(0x71);
}

static struct cmos cmos_time(void)
{
	return (struct cmos){ cmos_read(0), cmos_read(2), cmos_read(4), cmos_read(7), cmos_read(8), cmos_read(9), cmos_read(11) };
}

static unsigned plain(uint8_t v, bool binary)
{
	return binary ? v : (v >> 4) * 10u + (v & 15u);
}

/* Days since 1970-01-01 of a date in the Gregorian calendar. */
static uint64_t days(unsigned y, unsigned m, unsigned d)
{
	if (m <= 2) {
		y--;
		m += 12;
	}
	return 365ull * y + y / 4 - y / 100 + y / 400 + (153 * (m - 3) + 2) / 5 + d - 1 - 719468;
}

uint64_t rtc_wall_ns(void)
{
	struct cmos a, b;
	bool binary;
	uint64_t seconds;
	unsigned tries = 0, hour, month, day;

	do {
		while (cmos_read(10) & 0x80)
			if (++tries > 100000)
				return 0; /* no clock: the bus reads as ones */
		a = cmos_time();
		b = cmos_time();
	} while (memcmp(&a, &b, sizeof(a)) != 0 && ++tries <= 100000);
	binary = a.b & 4;
	hour = plain(a.hour & 0x7f, binary);
	if (!(a.b & 2))
		hour = hour % 12 + (a.hour & 0x80 ? 12 : 0);
	month = plain(a.month, binary);
	day = plain(a.day, binary);
	if (month < 1 || month > 12 || day < 1 || day > 31)
		return 0;
	seconds = days(2000 + plain(a.year, binary), month, day) * 86400;
	seconds += hour * 3600 + plain(a.min, binary) * 60 + plain(a.sec, binary);
	return seconds * 1000000000 + 500000000;
}
