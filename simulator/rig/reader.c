/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers as the option --reader describes them: by their name and keys, or as scripts. */
#include "rig/slot.h"

#include "rig/pin_pad.h"
#include "rig/reader_load.h"

#include <stddef.h>

/* Scripts of readers and the cards in slots draw from different numbers. */
#define SCRIPT_SEED 0x726561646572u

bool slots_add_described(struct slots *slots, const char *text, bool real_time, struct error *error)
{
    const struct reader_script_host host = {.arg = slots->arg,
                                            .log = slots->log,
                                            .random_drawn = slots->random_drawn,
                                            .seed = slots->seed + SCRIPT_SEED + slots->reader_count};
    struct reader_options options;
    struct reader_script *script;
    bool ok = reader_describe(text, &host, &options, &script, error);
    if (ok && real_time)
        reader_options_real_time(&options);
    if (!ok || !slots_add_reader(slots, &options, error)) {
        reader_script_free(script);
        return false;
    }
    struct reader *reader = &slots->reader[slots->reader_count - 1];
    reader->script = script;
    if (script && script->pin_pad.exists && !(reader->pin_pad = pin_pad_new(&script->pin_pad)))
        return error_set(error, "out of memory");
    return true;
}

enum card_interface reader_interface(const struct reader *reader, unsigned slot)
{
    return reader->script && reader_script_has_antenna(reader->script, slot) ? CARD_ANTENNA : CARD_CONTACTS;
}

void reader_free(struct reader *reader)
{
    reader_script_free(reader->script);
    pin_pad_free(reader->pin_pad);
}

void reader_interrupt(struct reader *reader)
{
    if (reader->script)
        reader_script_interrupt(reader->script);
}
