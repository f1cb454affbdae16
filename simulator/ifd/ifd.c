#include "ifd/ifd.h"

#include <string.h>

static void forget_reset(struct ifd *ifd)
{
    ifd->powered = false;
    ifd->protocol = IFD_NO_PROTOCOL;
    ifd->atr = (struct atr){0};
}

void ifd_set_card(struct ifd *ifd, struct card *card)
{
    *ifd = (struct ifd){.card = card};
    forget_reset(ifd);
}

enum ifd_result ifd_power_up(struct ifd *ifd, enum ifd_reset reset)
{
    if (!ifd->card)
        return IFD_RESULT_NO_CARD;
    if (!ifd->powered)
        reset = IFD_COLD;
    forget_reset(ifd);
    uint8_t answer[ATR_MAX];
    size_t length;
    card_power(ifd->card, reset == IFD_COLD ? CARD_COLD : CARD_WARM, answer, &length);
    if (reset == IFD_COLD)
        ifd->counters.cold++;
    else
        ifd->counters.warm++;
    if (length == 0)
        return IFD_RESULT_MUTE;
    if (!atr_is_decoded(atr_parse(answer, length, &ifd->atr, NULL))) {
        forget_reset(ifd);
        return IFD_RESULT_GARBLED;
    }
    ifd->powered = true;
    return IFD_RESULT_OK;
}

enum ifd_result ifd_power_down(struct ifd *ifd)
{
    if (!ifd->card)
        return IFD_RESULT_NO_CARD;
    if (ifd->powered) {
        uint8_t answer[ATR_MAX];
        size_t length;
        card_power(ifd->card, CARD_OFF, answer, &length);
        ifd->counters.off++;
    }
    forget_reset(ifd);
    return IFD_RESULT_OK;
}

enum ifd_result ifd_set_protocol(struct ifd *ifd, uint8_t protocol)
{
    if (!ifd->card)
        return IFD_RESULT_NO_CARD;
    if (!ifd->powered)
        return IFD_RESULT_UNPOWERED;
    /* ISO/IEC 7816-3:2006, 6.3.1: in specific mode TA2 has chosen; in negotiable mode one of the TDs may be
     */
    bool available = ifd->atr.specific ? ifd->atr.specific_protocol == protocol
                                       : protocol < 15 && (ifd->atr.protocols >> protocol & 1);
    if (!available)
        return IFD_RESULT_PROTOCOL_UNAVAILABLE;
    ifd->protocol = protocol;
    ifd->counters.parameters++;
    return IFD_RESULT_OK;
}

enum ifd_result ifd_transmit(struct ifd *ifd, uint8_t protocol, const uint8_t *command, size_t command_length,
                             uint8_t *response, size_t capacity, size_t *length)
{
    *length = 0;
    if (!ifd->card)
        return IFD_RESULT_NO_CARD;
    if (!ifd->powered)
        return IFD_RESULT_UNPOWERED;
    if (protocol != IFD_RAW && protocol != ifd->protocol)
        return IFD_RESULT_GARBLED;
    ifd->counters.commands++;
    card_command(ifd->card, command, command_length, response, capacity, length);
    return *length ? IFD_RESULT_OK : IFD_RESULT_MUTE;
}
