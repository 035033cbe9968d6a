/* netdev.h - the one network card, as lwIP's interface sees it. All but the interrupt callback runs in one thread. */
#ifndef DEMO_NETDEV_H
#define DEMO_NETDEV_H

#include "kernel.h"

#define NETDEV_FRAME_MAX 1514u

struct netdev_stats {
	uint64_t rx_packets, rx_bytes, rx_dropped, rx_errors;
	uint64_t tx_packets, tx_bytes, tx_dropped, tx_errors;
};

extern struct netdev_stats netdev_stats;

/* Find and start the card; on_rx is called from its interrupt. false: there is none. */
bool netdev_init(uint8_t mac[6], void (*on_rx)(void));
bool netdev_has_interrupt(void);
/* The next received frame and its length, or NULL; give it back with netdev_rx_done. */
const uint8_t *netdev_rx(uint32_t *len);
void netdev_rx_done(const uint8_t *frame);
/* Room for a frame of NETDEV_FRAME_MAX bytes, or NULL when all are in flight; then send it. */
uint8_t *netdev_tx_begin(void);
void netdev_tx_send(uint8_t *frame, uint32_t len);

#endif
