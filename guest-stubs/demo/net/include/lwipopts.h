/* lwipopts.h - lwIP as the demo guest uses it: IPv4, TCP, UDP, the netconn interface, one thread. */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#define NO_SYS 0
#define SYS_LIGHTWEIGHT_PROT 1
/* every call goes through the tcpip thread: after each message all of lwIP is in a settled state */
#define LWIP_TCPIP_CORE_LOCKING 0
#define LWIP_TCPIP_CORE_LOCKING_INPUT 0
#define LWIP_NETCONN 1
#define LWIP_SOCKET 0
#define LWIP_SO_RCVTIMEO 1
#define LWIP_SO_SNDTIMEO 1
#define LWIP_SO_RCVBUF 1
#define LWIP_NETIF_API 0

#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ICMP 1
#define LWIP_DHCP 0
#define LWIP_AUTOIP 0
#define LWIP_IGMP 0
#define LWIP_DNS 0
#define LWIP_RAW 0
#define LWIP_TCP 1
#define LWIP_UDP 1
#define LWIP_NETIF_HOSTNAME 0
#define LWIP_SINGLE_NETIF 0
#define LWIP_STATS 0

#define MEM_LIBC_MALLOC 1
#define mem_clib_malloc kmalloc
#define mem_clib_calloc kcalloc
#define mem_clib_free kfree
#define MEM_ALIGNMENT 16
#define MEMP_MEM_MALLOC 0
#define PBUF_POOL_SIZE 128
#define PBUF_POOL_BUFSIZE 1536
#define MEMP_NUM_NETCONN 32
#define MEMP_NUM_NETBUF 32
#define MEMP_NUM_TCP_PCB 40
#define MEMP_NUM_TCP_PCB_LISTEN 4
#define MEMP_NUM_TCP_SEG 256
#define MEMP_NUM_UDP_PCB 8
#define MEMP_NUM_TCPIP_MSG_API 64
#define MEMP_NUM_TCPIP_MSG_INPKT 8
#define MEMP_NUM_PBUF 64
#define MEMP_NUM_SYS_TIMEOUT 12

#define TCP_MSS 1460
#define TCP_WND (16 * TCP_MSS)
#define TCP_SND_BUF (16 * TCP_MSS)
#define TCP_SND_QUEUELEN 64
#define TCP_LISTEN_BACKLOG 1
#define TCP_DEFAULT_LISTEN_BACKLOG 8
#define LWIP_TCP_KEEPALIVE 0
#define SO_REUSE 1
/* 2 x 2 s in TIME_WAIT, so that the table's turnover can be watched */
#define TCP_MSL 2000

#define TCPIP_THREAD_NAME "tcpip"
#define TCPIP_THREAD_STACKSIZE 32768
#define TCPIP_MBOX_SIZE 64
#define DEFAULT_TCP_RECVMBOX_SIZE 32
#define DEFAULT_UDP_RECVMBOX_SIZE 16
#define DEFAULT_ACCEPTMBOX_SIZE 32
#define DEFAULT_THREAD_STACKSIZE 16384

void *kmalloc(__SIZE_TYPE__ size);
void *kcalloc(__SIZE_TYPE__ count, __SIZE_TYPE__ size);
void kfree(void *p);

#endif
