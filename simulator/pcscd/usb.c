/* SPDX-License-Identifier: BSD-3-Clause */
/* USB readers for a private pcscd. The devices do not exist; umockdev shows them to pcscd. */
#include "base/error.h"
#include "pcscd/pcscd.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UMOCKDEV       "libumockdev-preload.so.0"
#define BUNDLE         "drivers/ifd-cardrig.bundle"
#define BUNDLE_LIBRARY "libifdcardrig.so"

/* Checked in advance, because the loader would start pcscd even without the library, with only a message. */
bool usb_find_umockdev(char *path, size_t size, struct error *error)
{
    void *library = dlopen(UMOCKDEV, RTLD_LAZY | RTLD_LOCAL);
    struct link_map *map = NULL;
    bool found = library && dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 &&
                 (size_t)snprintf(path, size, "%s", map->l_name) < size;
    if (!found)
        error_set(error,
                  "readers on USB need umockdev: install the package 'umockdev' (Debian, Ubuntu, Fedora): %s",
                  library ? "its path is too long" : dlerror());
    if (library)
        dlclose(library);
    return found;
}

static void write_name(FILE *file, const char *name)
{
    for (; *name; name++)
        if (*name == '&')
            fputs("&amp;", file);
        else
            fputc(*name, file);
}

/* pcscd's parser requires one string per line, and three lists of equal length. */
static void write_list(FILE *file, const char *key, const struct pcscd_reader *readers, unsigned reader_count,
                       void (*write_value)(FILE *, const struct pcscd_reader *))
{
    fprintf(file, "<key>%s</key>\n<array>\n", key);
    for (unsigned i = 0; i < reader_count; i++)
        if (readers[i].bus) {
            fputs("<string>", file);
            write_value(file, &readers[i]);
            fputs("</string>\n", file);
        }
    fputs("</array>\n", file);
}

static void write_vendor(FILE *file, const struct pcscd_reader *reader)
{
    fprintf(file, "0x%04X", reader->vendor_id);
}

static void write_product(FILE *file, const struct pcscd_reader *reader)
{
    fprintf(file, "0x%04X", reader->product_id);
}

static void write_friendly_name(FILE *file, const struct pcscd_reader *reader)
{
    write_name(file, reader->name);
}

static bool write_plist(const struct pcscd *pcscd, const struct pcscd_reader *readers, unsigned reader_count,
                        struct error *error)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/" BUNDLE "/Contents/Info.plist", pcscd->directory);
    FILE *file = fopen(path, "we");
    if (!file)
        return configure_fail(error, "write", path);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">\n<dict>\n"
          "<key>CFBundleExecutable</key>\n<string>" BUNDLE_LIBRARY "</string>\n"
          "<key>CFBundleName</key>\n<string>ifd-cardrig</string>\n",
          file);
    write_list(file, "ifdVendorID", readers, reader_count, write_vendor);
    write_list(file, "ifdProductID", readers, reader_count, write_product);
    write_list(file, "ifdFriendlyName", readers, reader_count, write_friendly_name);
    fputs("</dict>\n</plist>\n", file);
    bool ok = !ferror(file);
    if (fclose(file) != 0 || !ok)
        return configure_fail(error, "write", path);
    return true;
}

bool usb_configure(struct pcscd *pcscd, const struct pcscd_reader *readers, unsigned reader_count,
                   struct error *error)
{
    struct pcscd_usb *usb = &pcscd->usb_readers;
    usb->count = 0;
    for (unsigned i = 0; i < reader_count && usb->count < PCSCD_READERS_MAX; i++)
        if (readers[i].bus) {
            usb->bus[usb->count] = readers[i].bus;
            snprintf(usb->device[usb->count], sizeof usb->device[0], "%s", readers[i].device);
            usb->count++;
        }
    const char *directory = pcscd->directory;
    return usb->count == 0 ||
           (usb_find_umockdev(usb->umockdev, sizeof usb->umockdev, error) &&
            configure_make_directory(directory, BUNDLE, error) &&
            configure_make_directory(directory, BUNDLE "/Contents", error) &&
            configure_make_directory(directory, BUNDLE "/Contents/Linux", error) &&
            configure_copy(pcscd->driver, directory, BUNDLE "/Contents/Linux/" BUNDLE_LIBRARY, error) &&
            write_plist(pcscd, readers, reader_count, error));
}

bool usb_set_environment(const struct pcscd *pcscd)
{
    const struct pcscd_usb *usb = &pcscd->usb_readers;
    for (unsigned i = 0; i < usb->count; i++) {
        char name[32];
        snprintf(name, sizeof name, "CARDRIG_USB_%03u", usb->bus[i]); /* driver/usb_device.h */
        if (setenv(name, usb->device[i], 1) < 0)
            return false;
    }
    return usb->count == 0 || (setenv("UMOCKDEV_DIR", pcscd->usb, 1) == 0 && isolate_preload(usb->umockdev));
}
