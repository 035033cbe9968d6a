/* cc.h - lwIP's view of the compiler and of the kernel. */
#ifndef LWIP_ARCH_CC_H
#define LWIP_ARCH_CC_H

#include <stdint.h>

#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_LIMITS_H 1
#define LWIP_NO_UNISTD_H 1
#define LWIP_NO_CTYPE_H 1
#define INT_MAX __INT_MAX__

#define X8_F "02x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "zu"

/* the numbers are Linux's */
#define LWIP_PROVIDE_ERRNO 1

void kprintf(const char *format, ...);
void net_assertion(const char *what, const char *file, int line) __attribute__((noreturn));
uint32_t net_random(void);

#define LWIP_PLATFORM_DIAG(x) kprintf x
#define LWIP_PLATFORM_ASSERT(x) net_assertion(x, __FILE__, __LINE__)
#define LWIP_RAND() net_random()

typedef uint64_t sys_prot_t;

#endif
