/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card that speaks the vpcd protocol (link/vpcd.h) over a connection, such as jCardSim or virt_cacard. Its
 * ATR and its responses are passed on unchanged; the ATR may be any bytes.
 *
 * The end of the connection is the removal of the card. If the card breaks the protocol or does not answer in
 * time, the connection is closed, because a late answer could not be told from the answer to a later command.
 * The log says why.
 */
#ifndef CARDRIG_ICC_VPCD_H
#define CARDRIG_ICC_VPCD_H

#include "icc/card.h"

/* Returns a card for the connection fd, which vpcd_prepare() has prepared. Takes ownership of fd, even on
 * failure. name is the card's name for users. The card has timeout_ms for each answer and each ATR. Copies
 * name and host. Returns NULL if memory runs out or fd cannot be made non-blocking. */
struct card *vpcd_card_new(int fd, const char *name, unsigned timeout_ms, const struct card_host *host);

#endif
