/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/pcscd_version.h"

#include "cli/trial.h"

#include <stdio.h>
#include <string.h>

#define VERSION_SECONDS 5

bool pcscd_version(const char *program, struct pcscd_version *version)
{
    const char *const arguments[] = {program, "--version", NULL};
    struct trial trial;
    *version = (struct pcscd_version){0};
    trial_run(&trial, arguments, VERSION_SECONDS);
    const char *at = strstr(trial.said, "pcsc-lite version ");
    if (!trial_passed(&trial) || !at || sscanf(at, "pcsc-lite version %31[0-9.]", version->text) != 1 ||
        sscanf(version->text, "%d.%d", &version->major, &version->minor) != 2)
        return false;
    char *last = version->text + strlen(version->text) - 1;
    if (*last == '.')
        *last = '\0';
    const char *features = strstr(trial.said, "Enabled features:");
    version->socket_activation = features && strstr(features, "systemd");
    version->polkit = features && strstr(features, " polkit") ? "with"
                      : version->major < 2                    ? "with or without"
                                                              : "without";
    return true;
}

unsigned pcscd_version_slots(const struct pcscd_version *version)
{
    bool old = version->major < 2 || (version->major == 2 && version->minor < 5);
    return old ? PCSCD_SLOTS_BEFORE_2_5 : PCSCD_SLOTS;
}
