/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcscd/pcscd.h"

#include "base/namespaces.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

static bool cover(const char *path, const char *directory, const char *name)
{
    char source[PATH_MAX];
    snprintf(source, sizeof source, "%s/%s", directory, name);
    return mount(source, path, NULL, MS_BIND, NULL) == 0;
}

const char *isolate_by_namespaces(const struct pcscd *pcscd)
{
    const char *failed = namespaces_enter(CLONE_NEWNS);
    if (failed)
        return failed;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return "mount / private";
    /* if this directory does not exist, there are no drivers of real readers to hide, and no mount point */
    bool needed = pcscd->usb_readers.count > 0 || access(PCSCD_USB_DROP_DIR, F_OK) == 0;
    if (needed && !cover(PCSCD_USB_DROP_DIR, pcscd->directory, "drivers"))
        return "mount over " PCSCD_USB_DROP_DIR;
    if (!cover("/run", pcscd->directory, "run"))
        return "mount over /run";
    return NULL;
}

bool isolate_preload(const char *library)
{
    const char *others = getenv("LD_PRELOAD");
    char *all = NULL;
    bool ok = asprintf(&all, "%s%s%s", library, others ? ":" : "", others ? others : "") >= 0 &&
              setenv("LD_PRELOAD", all, 1) == 0;
    if (ok)
        free(all);
    return ok;
}
