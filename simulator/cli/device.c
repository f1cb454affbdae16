/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/device.h"

#include <stdio.h>

const char *device_text(const struct reader *reader, const char *link, char text[DEVICE_MAX])
{
    const struct reader_options *options = &reader->options;
    char timeout[24] = "";
    if (options->ifd.patience_ms) /* 1 s more for the driver, so that the simulator times out first */
        snprintf(timeout, sizeof timeout, ":timeout=%u", options->ifd.patience_ms + 1000);
    snprintf(text, DEVICE_MAX, "/dev/null:rig=%s:reader=%u:slots=%u%s", link, reader->number, options->slots,
             timeout);
    return text;
}
