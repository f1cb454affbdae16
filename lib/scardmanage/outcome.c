/* SPDX-License-Identifier: BSD-3-Clause */
#include "outcome.h"

bool outcome_is_event(scardmanage_result result)
{
    return result == SCARDMANAGE_W_RESET_CARD || result == SCARDMANAGE_W_REMOVED_CARD;
}

bool outcome_is_loss(scardmanage_result result)
{
    return outcome_is_event(result) || result == SCARDMANAGE_E_NO_SMARTCARD ||
           result == SCARDMANAGE_E_INVALID_HANDLE || result == SCARDMANAGE_E_READER_UNAVAILABLE ||
           result == SCARDMANAGE_E_NO_SERVICE;
}

/* Excludes W_RESET_CARD: if the library reset the card, too, the other clients would only reset it
 * again. */
bool outcome_harder_step_may_cure(scardmanage_result result)
{
    switch (result) {
    case SCARDMANAGE_W_UNRESPONSIVE_CARD:
    case SCARDMANAGE_W_UNPOWERED_CARD:
    case SCARDMANAGE_E_PROTO_MISMATCH:
    case SCARDMANAGE_E_NOT_TRANSACTED: /* pcscd returns it if the driver failed */
    case SCARDMANAGE_RESULT(SCARD_E_NOT_READY):
    case SCARDMANAGE_RESULT(SCARD_E_COMM_DATA_LOST):
        return true;
    default:
        return false;
    }
}

bool outcome_ends_call(scardmanage_result result)
{
    return result == SCARDMANAGE_E_OUTOFMEMORY || result == SCARDMANAGE_E_TIMEOUT ||
           result == SCARDMANAGE_E_CANCELLED;
}
