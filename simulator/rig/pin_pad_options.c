/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/pin_pad_options.h"

#include <winscard.h> /* reader.h needs its types */

#include <reader.h>

bool pin_pad_has_feature(const struct pin_pad_options *options, unsigned feature)
{
    if (!options->exists)
        return false;
    switch (feature) {
    case FEATURE_VERIFY_PIN_DIRECT:
    case FEATURE_MODIFY_PIN_DIRECT:
    case FEATURE_IFD_PIN_PROPERTIES:
        return true;
    case FEATURE_IFD_DISPLAY_PROPERTIES:
        return options->lines > 0;
    case FEATURE_VERIFY_PIN_START:
    case FEATURE_VERIFY_PIN_FINISH:
    case FEATURE_MODIFY_PIN_START:
    case FEATURE_MODIFY_PIN_FINISH:
    case FEATURE_GET_KEY_PRESSED:
    case FEATURE_ABORT:
        return options->start;
    default:
        return false;
    }
}
