/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/dry_card.h"

#include "base/error.h"
#include "cli/print.h"
#include "icc/keep.h"
#include "icc/script_card.h"
#include "rig/random.h"

static void give_random(void *arg, uint8_t *out, size_t length)
{
    random_bytes(arg, out, length);
}

struct card *dry_card_load(const char *text, void (*log)(void *arg, const char *line))
{
    static struct rig_random random; /* the card has its address */
    random_start(&random, 0);
    static struct keep_store *store; /* of all the cards */
    if (!store)
        store = keep_store_new_for_checks();
    struct card_host host = {.arg = &random, .random = give_random, .log = log, .keep_store = store};
    struct error error;
    struct card *card = card_load(text, &host, &error);
    if (!card)
        print_error_line("%s", error.text);
    return card;
}
