/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cards of the vpcd protocol (link/vpcd.h), each at the other end of a connection: jCardSim, virt_cacard and
 * their like. What such a card says is taken as it is: its ATR may be any bytes, and a response is what it
 * sends.
 *
 * The connection's end is the card's removal. A card that breaks the protocol, or does not answer in time, is
 * dismissed by the end of its connection, since nothing that it says later could be distinguished from an
 * answer; why is in the log.
 */
#ifndef CARDRIG_ICC_VPCD_H
#define CARDRIG_ICC_VPCD_H

#include "icc/card.h"

/* The card at a connection that vpcd_prepare() has prepared, which is taken over, also on failure. name is
 * what people call it. An answer may take timeout_ms, an ATR too. NULL: out of memory. */
struct card *vpcd_card_new(int fd, const char *name, unsigned timeout_ms, const struct card_host *host);

#endif
