/* netif.c - lwIP's interface "eth0" over the network card; every frame is shown to the packet ring. */
#include "net.h"
#include "../virtio/netdev.h"

#include <lwip/etharp.h>
#include <lwip/netif.h>
#include <lwip/tcpip.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>

#define IFACE_FLAGS 0x43u /* as Linux numbers them: UP, BROADCAST, RUNNING */
#define MTU 1500u
#define POLL_MS 10u       /* without an interrupt */
#define RESCUE_MS 500u    /* with one: a lost one costs no more than this */

static struct netif eth0;
static uint8_t mac[6];
static uniobs_iface_t *row;
static struct uniobs_iface shown;
static struct tcpip_callback_msg *wakeup;
static struct sem up;
static bool present;
static uniobs_counter_t *rx_packets, *tx_packets, *rx_bytes, *tx_bytes;

static void show(struct uniobs_iface *out)
{
	*out = shown;
	out->rx_packets = netdev_stats.rx_packets;
	out->rx_bytes = netdev_stats.rx_bytes;
	out->rx_dropped = netdev_stats.rx_dropped;
	out->rx_errors = netdev_stats.rx_errors;
	out->tx_packets = netdev_stats.tx_packets;
	out->tx_bytes = netdev_stats.tx_bytes;
	out->tx_dropped = netdev_stats.tx_dropped;
	out->tx_errors = netdev_stats.tx_errors;
}

static void iface_sync(void)
{
	struct uniobs_iface now;

	show(&now);
	if (memcmp(&now, &shown, sizeof(now)) == 0)
		return;
	shown = now;
	uniobs_iface_set(row, &now);
	uniobs_gauge(rx_packets, now.rx_packets);
	uniobs_gauge(tx_packets, now.tx_packets);
	uniobs_gauge(rx_bytes, now.rx_bytes);
	uniobs_gauge(tx_bytes, now.tx_bytes);
}

static void dump_counter(const char *name, uint64_t value)
{
	dump_begin("counter");
	dump_str("name", name);
	dump_u64("value", value);
	dump_end();
}

static void dump(void)
{
	struct uniobs_iface now;
	char text[24];

	if (!present)
		return;
	show(&now);
	dump_begin("iface");
	dump_u64("index", now.index);
	dump_str("name", "eth0");
	ksnprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	dump_str("mac", text);
	dump_u64("mtu", MTU);
	dump_u64("prefix", now.prefix);
	ksnprintf(text, sizeof(text), "%u.%u.%u.%u", now.addr[0], now.addr[1], now.addr[2], now.addr[3]);
	dump_str("addr", text);
	dump_u64("rx_packets", now.rx_packets);
	dump_u64("rx_bytes", now.rx_bytes);
	dump_u64("rx_dropped", now.rx_dropped);
	dump_u64("rx_errors", now.rx_errors);
	dump_u64("tx_packets", now.tx_packets);
	dump_u64("tx_bytes", now.tx_bytes);
	dump_u64("tx_dropped", now.tx_dropped);
	dump_u64("tx_errors", now.tx_errors);
	dump_end();
	dump_counter("net_rx_packets_total", now.rx_packets);
	dump_counter("net_tx_packets_total", now.tx_packets);
	dump_counter("net_rx_bytes_total", now.rx_bytes);
	dump_counter("net_tx_bytes_total", now.tx_bytes);
}

static err_t send_frame(struct netif *netif, struct pbuf *p)
{
	uint8_t *frame;

	(void)netif;
	if (p->tot_len > NETDEV_FRAME_MAX) {
		netdev_stats.tx_errors++;
		return ERR_BUF;
	}
	frame = netdev_tx_begin();
	if (!frame) {
		netdev_stats.tx_dropped++;
		return ERR_IF;
	}
	pbuf_copy_partial(p, frame, p->tot_len, 0);
	uniobs_packet((uint16_t)shown.index, UNIOBS_DIR_TX, frame, p->tot_len);
	netdev_tx_send(frame, p->tot_len);
	return ERR_OK;
}

static void receive_all(void)
{
	const uint8_t *frame;
	uint32_t len;
	struct pbuf *p;

	while ((frame = netdev_rx(&len)) != NULL) {
		uniobs_packet((uint16_t)shown.index, UNIOBS_DIR_RX, frame, len);
		p = pbuf_alloc(PBUF_RAW, (u16_t)len, PBUF_POOL);
		if (p)
			pbuf_take(p, frame, (u16_t)len);
		else
			netdev_stats.rx_dropped++;
		netdev_rx_done(frame);
		if (p && ethernet_input(p, &eth0) != ERR_OK)
			pbuf_free(p);
		sockets_sync();
	}
}

void net_publish(void)
{
	sockets_sync();
	iface_sync();
}

void net_settle(void)
{
	if (!present)
		return;
	receive_all();
	net_publish();
}

/* What the interrupt posts: the tcpip thread wakes up, and settles before it sleeps again. */
static void woken(void *arg)
{
	(void)arg;
}

static void on_interrupt(void)
{
	tcpip_callbackmsg_trycallback_fromisr(wakeup);
}

static void poll(void *arg)
{
	(void)arg;
	sys_timeout(netdev_has_interrupt() ? RESCUE_MS : POLL_MS, poll, NULL);
}

static err_t setup(struct netif *netif)
{
	netif->name[0] = 'e';
	netif->name[1] = 't';
	netif->output = etharp_output;
	netif->linkoutput = send_frame;
	netif->mtu = MTU;
	netif->hwaddr_len = 6;
	memcpy(netif->hwaddr, mac, 6);
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
	return ERR_OK;
}

/* ip=CLIENT:SERVER:GATEWAY:NETMASK, as Linux takes it; what is absent or wrong keeps QEMU's user network's value. */
static void addresses(ip4_addr_t *address, ip4_addr_t *gateway, ip4_addr_t *mask)
{
	ip4_addr_t *field[4] = { address, NULL, gateway, mask };
	const char *p = cmdline_option("ip");
	char text[16];
	unsigned i, n;

	IP4_ADDR(address, 10, 0, 2, 15);
	IP4_ADDR(gateway, 10, 0, 2, 2);
	IP4_ADDR(mask, 255, 255, 255, 0);
	for (i = 0; p && i < 4 && *p; i++) {
		ip4_addr_t parsed;

		for (n = 0; *p && *p != ':'; p++)
			if (n < sizeof(text) - 1)
				text[n++] = *p;
		text[n] = '\0';
		if (field[i] && n && ip4addr_aton(text, &parsed))
			*field[i] = parsed;
		if (*p == ':')
			p++;
	}
}

static uint32_t prefix_length(uint32_t mask)
{
	return (uint32_t)__builtin_popcount(mask);
}

/* In the tcpip thread. */
static void start(void *arg)
{
	ip4_addr_t address, gateway, mask;

	(void)arg;
	net_mark_tcpip_thread();
	wakeup = tcpip_callbackmsg_new(woken, NULL);
	if (wakeup && netdev_init(mac, on_interrupt)) {
		addresses(&address, &gateway, &mask);
		row = uniobs_iface_add("eth0", mac, MTU);
		if (row)
			shown = *row;
		shown.flags = IFACE_FLAGS;
		shown.prefix = prefix_length(mask.addr);
		memcpy(shown.addr, &address.addr, 4);
		uniobs_iface_set(row, &shown);
		netif_add(&eth0, &address, &mask, &gateway, NULL, setup, tcpip_input);
		netif_set_default(&eth0);
		netif_set_up(&eth0);
		present = true;
		sys_timeout(POLL_MS, poll, NULL);
		klog(UNIOBS_LEVEL_INFO, "eth0: %u.%u.%u.%u/%u", shown.addr[0], shown.addr[1], shown.addr[2], shown.addr[3],
		     shown.prefix);
	}
	sem_post(&up);
}

bool net_init(void)
{
	rx_packets = uniobs_counter_new("net_rx_packets_total", UNIOBS_COUNTER_KIND_COUNTER, UNIOBS_UNIT_PACKETS);
	tx_packets = uniobs_counter_new("net_tx_packets_total", UNIOBS_COUNTER_KIND_COUNTER, UNIOBS_UNIT_PACKETS);
	rx_bytes = uniobs_counter_new("net_rx_bytes_total", UNIOBS_COUNTER_KIND_COUNTER, UNIOBS_UNIT_BYTES);
	tx_bytes = uniobs_counter_new("net_tx_bytes_total", UNIOBS_COUNTER_KIND_COUNTER, UNIOBS_UNIT_BYTES);
	sem_init(&up, "net_up", 0);
	tcpip_init(start, NULL);
	sem_wait(&up, 0);
	sem_destroy(&up);
	dump_register(dump);
	dump_register(sockets_dump);
	return present;
}

bool net_call(void (*fn)(void *), void *arg)
{
	return tcpip_callback(fn, arg) == ERR_OK;
}
