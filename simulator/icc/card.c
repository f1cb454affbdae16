/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/card.h"

void card_free(struct card *card)
{
    if (card)
        card->kind->free(card);
}

const char *card_name(const struct card *card)
{
    return card->kind->name(card);
}

const uint8_t *card_atr(const struct card *card, enum card_power how, size_t *length)
{
    return card->kind->atr(card, how, length);
}

const struct antenna *card_antenna(const struct card *card)
{
    return card->kind->antenna ? card->kind->antenna(card) : NULL;
}

bool card_set_interface(struct card *card, enum card_interface interface)
{
    card->interface = interface;
    return interface == CARD_ANTENNA ? card_antenna(card) != NULL
                                     : !card->kind->has_contacts || card->kind->has_contacts(card);
}

enum card_interface card_interface(const struct card *card)
{
    return card->interface;
}

uint8_t card_t1_ifsc(const struct card *card)
{
    return card->kind->t1_ifsc ? card->kind->t1_ifsc(card) : 0;
}

bool card_takes_case_3(const struct card *card)
{
    return card->kind->takes_case_3;
}

struct faults *card_faults(struct card *card)
{
    return &card->faults;
}

bool card_gone(const struct card *card)
{
    return card->kind->gone && card->kind->gone(card);
}

void card_power(struct card *card, enum card_power how, uint8_t atr[ATR_MAX], size_t *atr_length)
{
    card->kind->power(card, how, atr, atr_length);
}

void card_protocol(struct card *card, uint8_t protocol)
{
    if (card->kind->protocol)
        card->kind->protocol(card, protocol);
}

void card_command(struct card *card, const uint8_t *cmd, size_t length, uint8_t *resp, size_t resp_capacity,
                  size_t *resp_length)
{
    card->kind->command(card, cmd, length, resp, resp_capacity, resp_length);
}

uint32_t card_work_ms(const struct card *card)
{
    return card->kind->work_ms ? card->kind->work_ms(card) : 0;
}

void card_interrupt(struct card *card)
{
    card->kind->interrupt(card);
}
