/* sys.h - the demo's system-call layer: each call leaves an entry and an exit event, and keeps the socket table. */
#ifndef UNIOBS_HOSTED_SYS_H
#define UNIOBS_HOSTED_SYS_H

#include <netinet/in.h>
#include <sys/types.h>

void sys_init(void);   /* defines the events */
/* As the calls of the same name, but that a failure returns -errno. */
int sys_socket(int domain, int type, int protocol);
int sys_bind(int fd, const struct sockaddr_in *address);
int sys_listen(int fd, int backlog);
int sys_accept(int fd, struct sockaddr_in *peer);
ssize_t sys_recv(int fd, void *buffer, size_t size, int flags);
ssize_t sys_send(int fd, const void *buffer, size_t size, int flags);
int sys_open(const char *path, int flags, mode_t mode);
ssize_t sys_read(int fd, void *buffer, size_t size);
ssize_t sys_write(int fd, const void *buffer, size_t size);
int sys_close(int fd);
int sys_unlink(const char *path);

#endif
