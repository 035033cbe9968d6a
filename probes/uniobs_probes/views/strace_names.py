"""Names of system-call constants, as strace prints them. The numbers are Linux's on x86-64."""

from typing import Final

ACCESS_MODES: Final = {0: "O_RDONLY", 1: "O_WRONLY", 2: "O_RDWR", 3: "O_ACCMODE"}
OPEN_FLAGS: Final = (
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o400, "O_NOCTTY"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o4010000, "O_SYNC"),
    (0o10000, "O_DSYNC"),
    (0o20000, "O_ASYNC"),
    (0o40000, "O_DIRECT"),
    (0o100000, "O_LARGEFILE"),
    (0o400000, "O_NOFOLLOW"),
    (0o1000000, "O_NOATIME"),
    (0o2000000, "O_CLOEXEC"),
    (0o10000000, "O_PATH"),
    (0o20200000, "O_TMPFILE"),
    (0o200000, "O_DIRECTORY"),
)
MSG_FLAGS: Final = (
    (0x1, "MSG_OOB"),
    (0x2, "MSG_PEEK"),
    (0x4, "MSG_DONTROUTE"),
    (0x8, "MSG_CTRUNC"),
    (0x10, "MSG_PROBE"),
    (0x20, "MSG_TRUNC"),
    (0x40, "MSG_DONTWAIT"),
    (0x80, "MSG_EOR"),
    (0x100, "MSG_WAITALL"),
    (0x200, "MSG_FIN"),
    (0x400, "MSG_SYN"),
    (0x800, "MSG_CONFIRM"),
    (0x1000, "MSG_RST"),
    (0x2000, "MSG_ERRQUEUE"),
    (0x4000, "MSG_NOSIGNAL"),
    (0x8000, "MSG_MORE"),
    (0x10000, "MSG_WAITFORONE"),
    (0x4000000, "MSG_ZEROCOPY"),
    (0x20000000, "MSG_FASTOPEN"),
    (0x40000000, "MSG_CMSG_CLOEXEC"),
)
DOMAINS: Final = {
    0: "AF_UNSPEC",
    1: "AF_UNIX",
    2: "AF_INET",
    10: "AF_INET6",
    16: "AF_NETLINK",
    17: "AF_PACKET",
}
SOCK_TYPES: Final = {1: "SOCK_STREAM", 2: "SOCK_DGRAM", 3: "SOCK_RAW", 4: "SOCK_RDM", 5: "SOCK_SEQPACKET"}
SOCK_FLAGS: Final = ((0o2000000, "SOCK_CLOEXEC"), (0o4000, "SOCK_NONBLOCK"))
PROTOCOLS: Final = {
    0: "IPPROTO_IP",
    1: "IPPROTO_ICMP",
    2: "IPPROTO_IGMP",
    6: "IPPROTO_TCP",
    17: "IPPROTO_UDP",
    41: "IPPROTO_IPV6",
    58: "IPPROTO_ICMPV6",
    132: "IPPROTO_SCTP",
    136: "IPPROTO_UDPLITE",
    255: "IPPROTO_RAW",
}
SHUT: Final = {0: "SHUT_RD", 1: "SHUT_WR", 2: "SHUT_RDWR"}
LEVELS: Final = {0: "SOL_IP", 1: "SOL_SOCKET", 6: "SOL_TCP", 17: "SOL_UDP", 41: "SOL_IPV6", 255: "SOL_RAW"}
SO_OPTIONS: Final = {
    1: "SO_DEBUG",
    2: "SO_REUSEADDR",
    3: "SO_TYPE",
    4: "SO_ERROR",
    5: "SO_DONTROUTE",
    6: "SO_BROADCAST",
    7: "SO_SNDBUF",
    8: "SO_RCVBUF",
    9: "SO_KEEPALIVE",
    10: "SO_OOBINLINE",
    11: "SO_NO_CHECK",
    12: "SO_PRIORITY",
    13: "SO_LINGER",
    15: "SO_REUSEPORT",
    18: "SO_RCVLOWAT",
    19: "SO_SNDLOWAT",
    20: "SO_RCVTIMEO_OLD",
    21: "SO_SNDTIMEO_OLD",
    25: "SO_BINDTODEVICE",
    30: "SO_ACCEPTCONN",
}
TCP_OPTIONS: Final = {
    1: "TCP_NODELAY",
    2: "TCP_MAXSEG",
    3: "TCP_CORK",
    4: "TCP_KEEPIDLE",
    5: "TCP_KEEPINTVL",
    6: "TCP_KEEPCNT",
    7: "TCP_SYNCNT",
    8: "TCP_LINGER2",
    9: "TCP_DEFER_ACCEPT",
    10: "TCP_WINDOW_CLAMP",
    11: "TCP_INFO",
    12: "TCP_QUICKACK",
    18: "TCP_USER_TIMEOUT",
}
IP_OPTIONS: Final = {
    1: "IP_TOS",
    2: "IP_TTL",
    3: "IP_HDRINCL",
    10: "IP_MTU_DISCOVER",
    35: "IP_ADD_MEMBERSHIP",
}
OPTIONS: Final = {0: IP_OPTIONS, 1: SO_OPTIONS, 6: TCP_OPTIONS}
OPTION_PREFIXES: Final = {0: "IP", 1: "SO", 6: "TCP"}

_NETWORK: Final = """
    socket bind connect listen accept accept4 getsockname getpeername socketpair send recv sendto recvfrom
    shutdown setsockopt getsockopt sendmsg recvmsg sendmmsg recvmmsg getaddrinfo
"""
_FILE: Final = """
    open openat creat stat lstat access chdir mkdir rmdir rename unlink unlinkat link symlink readlink
    chmod chown truncate statfs mknod utime execve faccessat newfstatat
"""
_DESC: Final = """
    read write close pread64 pwrite64 pread pwrite readv writev lseek fstat ftruncate fsync fdatasync dup
    dup2 dup3 fcntl ioctl poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait sendfile
    getdents64 mmap open openat creat socket bind connect listen accept accept4 getsockname getpeername send
    recv sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg
"""
_MEMORY: Final = "brk mmap munmap mprotect mremap madvise mlock munlock msync"
_PROCESS: Final = "execve exit exit_group fork vfork clone clone3 wait4 waitid kill"
_CLOCK: Final = "clock_gettime clock_settime clock_getres gettimeofday settimeofday time"
CLASSES: Final = {
    "network": frozenset(_NETWORK.split()),
    "net": frozenset(_NETWORK.split()),
    "file": frozenset(_FILE.split()),
    "desc": frozenset(_DESC.split()),
    "memory": frozenset(_MEMORY.split()),
    "process": frozenset(_PROCESS.split()),
    "clock": frozenset(_CLOCK.split()),
}
