/* syscalls.h - the system calls of the demo guest. Each is traced. Results are as Linux's, errors -errno. */
#ifndef DEMO_SYSCALLS_H
#define DEMO_SYSCALLS_H

#include "kernel.h"
#include "ramfs.h"

#define AF_INET 2
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define SOL_SOCKET 1
#define SO_REUSEADDR 2
#define SO_RCVTIMEO 20
#define SO_SNDTIMEO 21
#define TCP_NODELAY 1
#define MSG_DONTWAIT 0x40
#define SHUT_RD 0
#define SHUT_WR 1
#define SHUT_RDWR 2

/* addr in network order, port in host order */
struct sockaddr4 { uint32_t addr; uint16_t port; };

int sys_socket(int domain, int type, int protocol);
int sys_setsockopt(int fd, int level, int option, int64_t value); /* timeouts in milliseconds */
int sys_bind(int fd, const struct sockaddr4 *addr);
int sys_listen(int fd, int backlog);
int sys_accept(int fd, struct sockaddr4 *addr);
int64_t sys_recv(int fd, void *buf, size_t len, int flags);
int64_t sys_send(int fd, const void *buf, size_t len, int flags);
int64_t sys_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr4 *addr);
int64_t sys_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr4 *addr);
int sys_shutdown(int fd, int how);
int sys_close(int fd);

int sys_open(const char *path, int flags, unsigned mode);
int sys_fstat(int fd, uint64_t *size);
int64_t sys_read(int fd, void *buf, size_t count);
int64_t sys_write(int fd, const void *buf, size_t count);
int sys_unlink(const char *path);

int sys_nanosleep(uint64_t ns);

#endif
