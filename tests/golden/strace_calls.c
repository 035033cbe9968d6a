/* Calls whose lines are compared with those of the real strace. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, from;
	struct timespec ms = { 0, 1000000 };
	socklen_t size = sizeof from;
	char buffer[4096];
	int one = 1, fd, s, u;

	if (argc < 2 || chdir(argv[1]))
		return 1;
	syscall(SYS_open, "/nonexistent/user:42", O_RDONLY);
	fd = (int)syscall(SYS_open, "golden", O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	syscall(SYS_write, fd, "GET /kv/user:42 HTTP/1.1\r\nHost: kv\r\n\r\n", 38);
	syscall(SYS_write, fd, "\0\1\2\0373\177\200\377\t\"\\", 11);
	syscall(SYS_write, fd, "12345678901234567890123456789012", 32);
	syscall(SYS_write, fd, "123456789012345678901234567890123", 33);
	syscall(SYS_write, fd, "", 0);
	syscall(SYS_close, fd);
	fd = (int)syscall(SYS_open, "golden", O_RDONLY | O_NONBLOCK);
	syscall(SYS_read, fd, buffer, 24);
	syscall(SYS_read, fd, buffer, 4096);
	syscall(SYS_read, fd, buffer, 4096);
	syscall(SYS_close, fd);
	syscall(SYS_close, fd);
	syscall(SYS_unlink, "golden");
	s = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_IP);
	syscall(SYS_setsockopt, s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	syscall(SYS_setsockopt, s, SOL_TCP, TCP_NODELAY, &one, sizeof one);
	syscall(SYS_bind, s, &any, sizeof any);
	syscall(SYS_listen, s, 5);
	syscall(SYS_accept, s, NULL, NULL);
	syscall(SYS_shutdown, s, SHUT_RDWR);
	u = (int)syscall(SYS_socket, AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	syscall(SYS_bind, u, &any, sizeof any);
	getsockname(u, (struct sockaddr *)&from, &size);
	syscall(SYS_sendto, u, "ping", 4, MSG_NOSIGNAL | MSG_DONTWAIT, &from, sizeof from);
	size = sizeof from;
	syscall(SYS_recvfrom, u, buffer, 4096, MSG_PEEK, &from, &size);
	syscall(SYS_recvfrom, 77, buffer, 16, MSG_DONTWAIT | MSG_TRUNC, NULL, NULL);
	syscall(SYS_socket, AF_INET6, 99, 0);
	syscall(SYS_nanosleep, &ms, NULL);
	return 0;
}
