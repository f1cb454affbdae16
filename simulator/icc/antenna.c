/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/antenna.h"

#include <string.h>

/* PC/SC part 3, supplemental document: the standard (SS) and the name (NN) of storage cards. NTAG has no name
 * of its own there: readers take it for an Ultralight. */
#define ISO_14443_A_PART_3 0x03
#define FELICA             0x11

static const struct {
    const char *name;
    uint8_t standard;
    uint16_t card_name;
} storages[] = {
    {"mifare-1k", ISO_14443_A_PART_3, 0x0001},
    {"mifare-4k", ISO_14443_A_PART_3, 0x0002},
    {"ultralight", ISO_14443_A_PART_3, 0x0003},
    {"ntag213", ISO_14443_A_PART_3, 0x0003},
    {"ntag215", ISO_14443_A_PART_3, 0x0003},
    {"ntag216", ISO_14443_A_PART_3, 0x0003},
    {"felica", FELICA, 0x003B},
};

/* Bits of T0 of an ATS: which interface bytes follow. ISO/IEC 14443-4:2018, 5.2.3. */
#define ATS_T0_TA      0x10
#define ATS_T0_TB      0x20
#define ATS_T0_TC      0x40

#define CASCADE_TAG    0x88 /* the first byte of a UID that goes on: no UID of 4 bytes begins with it */
#define HISTORICAL_MAX 15   /* bytes of an ATR */

bool antenna_find_storage(struct antenna *antenna, const char *name)
{
    for (size_t i = 0; i < sizeof storages / sizeof storages[0]; i++)
        if (strcmp(storages[i].name, name) == 0) {
            strcpy(antenna->storage, storages[i].name);
            antenna->standard = storages[i].standard;
            antenna->card_name = storages[i].card_name;
            return true;
        }
    return false;
}

const char *antenna_storage_names(void)
{
    return "mifare-1k, mifare-4k, ultralight, ntag213, ntag215, ntag216 or felica";
}

const char *antenna_check_uid(const struct antenna *antenna)
{
    size_t length = antenna->uid_length;
    if (antenna->standard == FELICA)
        return length == 8 ? NULL : "the IDm of FeliCa has 8 bytes";
    if (length != 4 && length != 7 && length != 10)
        return "it has 4, 7 or 10 bytes";
    return length == 4 && antenna->uid[0] == CASCADE_TAG ? "one of 4 bytes does not begin with 88" : NULL;
}

/* Returns where the historical bytes of the ATS begin. */
static size_t historical_at(const struct antenna *antenna)
{
    uint8_t t0 = antenna->ats_length > 1 ? antenna->ats[1] : 0;
    return antenna->ats_length < 2
               ? antenna->ats_length
               : 2u + ((t0 & ATS_T0_TA) != 0) + ((t0 & ATS_T0_TB) != 0) + ((t0 & ATS_T0_TC) != 0);
}

const char *antenna_check_ats(const struct antenna *antenna)
{
    if (antenna->ats_length == 0 || antenna->ats[0] != antenna->ats_length)
        return "its first byte, TL, is not its length";
    if (historical_at(antenna) > antenna->ats_length)
        return "it ends before the interface bytes that T0 announces";
    return antenna->ats_length - historical_at(antenna) > HISTORICAL_MAX
               ? "it has more than the 15 historical bytes of an ATR"
               : NULL;
}

/* Writes the historical bytes of a storage card: PC/SC part 3, 3.1.3.2.3.2. Returns their number. */
static size_t name_storage(const struct antenna *antenna, uint8_t *out)
{
    static const uint8_t prefix[] = {0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06};
    memset(out, 0, HISTORICAL_MAX);
    memcpy(out, prefix, sizeof prefix);
    out[sizeof prefix] = antenna->standard;
    out[sizeof prefix + 1] = (uint8_t)(antenna->card_name >> 8);
    out[sizeof prefix + 2] = (uint8_t)antenna->card_name;
    return HISTORICAL_MAX;
}

size_t antenna_atr(const struct antenna *antenna, uint8_t atr[ATR_MAX])
{
    size_t at = historical_at(antenna), count = antenna->ats_length - at;
    atr[0] = ATR_DIRECT;
    atr[2] = 0x80; /* TD1: T=0, and another TD */
    atr[3] = 0x01; /* TD2: T=1 */
    if (*antenna->storage)
        count = name_storage(antenna, atr + 4);
    else
        memcpy(atr + 4, antenna->ats + at, count);
    atr[1] = (uint8_t)(0x80 | count);
    atr[4 + count] = 0;
    for (size_t i = 1; i < 4 + count; i++)
        atr[4 + count] ^= atr[i];
    return 5 + count;
}
