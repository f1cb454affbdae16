/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/attribute.h"

#include "iso7816/timing.h"

#include <string.h>
#include <winscard.h> /* reader.h needs its types */

#include <reader.h>

/* The highest speed that TA1 can offer, ISO/IEC 7816-3:2006, 8.3, tables 7 and 8. */
#define FASTEST_F 372
#define FASTEST_D 64

/* PC/SC part 3: type 20 is USB, with the number of the device. Types F0 to FF are vendor-specific; ours is
 * F0, with the number of the reader. */
#define CHANNEL_USB    (0x20u << 16)
#define CHANNEL_VENDOR (0xF0u << 16)

/* Where the attribute goes. */
struct attribute_output {
    uint8_t *out;
    size_t *length;
};

static bool put(struct attribute_output *output, const void *bytes, size_t length)
{
    memcpy(output->out, bytes, length);
    *output->length = length;
    return true;
}

static bool put_number(struct attribute_output *output, uint32_t number)
{
    return put(output, &number, sizeof number);
}

static bool put_byte(struct attribute_output *output, uint8_t byte)
{
    return put(output, &byte, 1);
}

static bool put_text(struct attribute_output *output, const char *text)
{
    return *text && put(output, text, strlen(text) + 1);
}

static uint32_t bits_per_second(unsigned f, unsigned d)
{
    return (uint32_t)(TIMING_CLOCK_KHZ * 1000ull * d / f);
}

static bool put_reader_attribute(const struct slot_use *use, uint32_t tag, struct attribute_output *output)
{
    const struct reader *reader = use->slot->reader;
    switch (tag) {
    case SCARD_ATTR_VENDOR_NAME:
        return put_text(output, reader->options.vendor);
    case SCARD_ATTR_VENDOR_IFD_TYPE:
        return put_text(output, reader->options.type);
    case SCARD_ATTR_VENDOR_IFD_VERSION:
        return put_number(output, reader->options.version);
    case SCARD_ATTR_VENDOR_IFD_SERIAL_NO:
        return put_text(output, reader->options.serial);
    case SCARD_ATTR_CHANNEL_ID:
        return put_number(output, reader->options.usb ? CHANNEL_USB | reader_usb_number(reader)
                                                      : CHANNEL_VENDOR | reader->number);
    case SCARD_ATTR_ASYNC_PROTOCOL_TYPES:
        return put_number(output, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1);
    case SCARD_ATTR_DEFAULT_CLK:
    case SCARD_ATTR_MAX_CLK:
        return put_number(output, TIMING_CLOCK_KHZ);
    case SCARD_ATTR_DEFAULT_DATA_RATE:
        return put_number(output, bits_per_second(TIMING_FD, TIMING_DD));
    case SCARD_ATTR_MAX_DATA_RATE:
        return put_number(output, bits_per_second(FASTEST_F, FASTEST_D));
    case SCARD_ATTR_MAX_IFSD:
        return put_number(output, IFD_IFSD);
    case SCARD_ATTR_POWER_MGMT_SUPPORT:
        return put_number(output, 1); /* the reader can power down a card in the slot */
    case SCARD_ATTR_CHARACTERISTICS:
        return put_number(output, 0); /* the reader does not move cards mechanically */
    case SCARD_ATTR_MAXINPUT:
        return put_number(output, (uint32_t)ifd_command_max(use->ifd));
    case SCARD_ATTR_SUPRESS_T1_IFS_REQUEST:
        return put_number(output, 0); /* the reader sends S(IFS request) */
    case SCARD_ATTR_ICC_PRESENCE:
        return put_byte(output, use->card ? 2 : 0); /* 2: present and ready for use */
    case SCARD_ATTR_ICC_INTERFACE_STATUS:
        return put_byte(output, use->ifd->powered);
    default:
        return false;
    }
}

/* Attributes of a card that has answered to reset. */
static bool put_card_attribute(const struct ifd *ifd, uint32_t tag, struct attribute_output *output)
{
    switch (tag) {
    case SCARD_ATTR_ATR_STRING:
        return put(output, ifd->atr.raw, ifd->atr.length);
    case SCARD_ATTR_ICC_TYPE_PER_ATR:
        return put_byte(output, 1); /* ISO/IEC 7816, asynchronous */
    case SCARD_ATTR_CURRENT_CLK:
        return put_number(output, TIMING_CLOCK_KHZ);
    case SCARD_ATTR_CURRENT_F:
        return put_number(output, ifd->f);
    case SCARD_ATTR_CURRENT_D:
        return put_number(output, ifd->d);
    case SCARD_ATTR_CURRENT_N:
        return put_number(output, ifd->atr.extra_guard_time);
    default:
        return false;
    }
}

/* Attributes of the chosen protocol. */
static bool put_protocol_attribute(const struct ifd *ifd, uint32_t tag, struct attribute_output *output)
{
    if (tag == SCARD_ATTR_CURRENT_PROTOCOL_TYPE)
        return put_number(output, 1u << ifd->protocol);
    if (ifd->protocol == 0)
        return tag == SCARD_ATTR_CURRENT_W && put_number(output, ifd->atr.wi);
    switch (tag) {
    case SCARD_ATTR_CURRENT_IFSC:
        return put_number(output, ifd->t1.ifs_out);
    case SCARD_ATTR_CURRENT_IFSD:
        return put_number(output, ifd->t1.ifs_in);
    case SCARD_ATTR_CURRENT_BWT:
        return put_number(output, ifd->atr.bwi);
    case SCARD_ATTR_CURRENT_CWT:
        return put_number(output, ifd->atr.cwi);
    case SCARD_ATTR_CURRENT_EBC_ENCODING:
        return put_number(output, ifd->atr.edc == ATR_EDC_CRC);
    default:
        return false;
    }
}

bool attribute_get(const struct slot_use *use, uint32_t tag, uint8_t out[READER_ATTRIBUTE_SIZE],
                   size_t *length)
{
    struct attribute_output output = {out, length};
    const struct reader_options *options = &use->slot->reader->options;
    for (unsigned i = 0; i < options->attribute_count; i++) {
        const struct reader_attribute *attribute = &options->attribute[i];
        if (attribute->tag == tag)
            return attribute->length > 0 && put(&output, attribute->value, attribute->length);
    }
    const struct ifd *ifd = use->ifd;
    return put_reader_attribute(use, tag, &output) ||
           (ifd->powered && put_card_attribute(ifd, tag, &output)) ||
           (ifd->protocol != IFD_NO_PROTOCOL && put_protocol_attribute(ifd, tag, &output));
}
