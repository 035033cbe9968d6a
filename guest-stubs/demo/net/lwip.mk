# lwip.mk - which lwIP sources the demo guest is made of, and how they're compiled.
LWIP_DIR := build/lwip/src
LWIP_SRC := $(addprefix $(LWIP_DIR)/core/, init.c def.c inet_chksum.c ip.c mem.c memp.c netif.c pbuf.c stats.c tcp.c \
	tcp_in.c tcp_out.c timeouts.c udp.c ipv4/etharp.c ipv4/icmp.c ipv4/ip4.c ipv4/ip4_addr.c ipv4/ip4_frag.c) \
	$(addprefix $(LWIP_DIR)/api/, api_lib.c api_msg.c err.c netbuf.c tcpip.c) $(LWIP_DIR)/netif/ethernet.c
LWIP_INC := -Inet/include -Inet/libc -I$(LWIP_DIR)/include
# lwIP is not ours to mend: its warnings are off.
LWIP_CFLAGS := -w
