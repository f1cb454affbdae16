/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pcscd of our own: run by an ordinary user, next to the system's one, which it does not touch. Any will
 * do: with and without socket activation, with and without polkit, and a wrapper that runs one.
 *
 * Clients reach it through a socket that PCSCLITE_CSOCK_NAME names for them. We open it, at
 * run/pcscd/pcscd.comm in the rig's directory, and hand it over as systemd would. The fixed paths in pcscd (a
 * directory in /run with a pid file, and that of USB drivers, which would make it take the real readers) lead
 * into the rig's directory:
 *
 *   - by a library that is preloaded into pcscd and changes these paths in its calls. It also answers for
 *     polkit, gives a pcscd without socket activation the socket all the same, ends what a wrapper
 *     started, and shortens a wait at the start (nap.c).
 *   - where we may have them, by namespaces, too: a mount namespace, in a user namespace where we are not
 * root, in which private directories lie over both. Without them (in containers, say) we are as safe as the
 * list of calls in redirect.c is complete.
 */
#ifndef CARDRIG_PCSCD_PCSCD_H
#define CARDRIG_PCSCD_PCSCD_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum pcscd_isolation { PCSCD_ISOLATION_AUTO, PCSCD_ISOLATION_NAMESPACES, PCSCD_ISOLATION_REDIRECT };

#define PCSCD_READERS_MAX 255 /* what pcscd has room for from 2.5 on */
#define PCSCD_DEVICE_MAX  256

struct pcscd_reader {
    const char *name;
    const char
        *device; /* its DEVICENAME: what the driver makes of it, in characters that reader.conf can hold */
    /* a reader on USB: the bus that it has for itself; else 0 */
    unsigned bus, vendor_id, product_id;
};

struct pcscd {
    /* filled in by the caller */
    const char *program;   /* the pcscd to run */
    const char *directory; /* private, of mode 0700; see directory_new for what its name may be */
    const char *driver;    /* the IFD handler: libifdcardrig.so, or another one */
    const char *redirect;  /* the library to preload: libcardrig-redirect.so */
    enum pcscd_isolation isolation;
    const char *log; /* the file that its log goes to, as output_open() takes it */
    bool debug;      /* everything in the log, APDUs too */
    const char *usb; /* the folder with the files of USB readers (rig/usb_bus.h) */
    int listen_fd;   /* the socket at pcscd_socket(), if somebody listens there already, who keeps it;
                              else 0 */
    /* filled in by pcscd_configure */
    struct pcscd_usb {
        unsigned count;
        unsigned bus[PCSCD_READERS_MAX];
        char device[PCSCD_READERS_MAX][PCSCD_DEVICE_MAX];
        char umockdev[4096]; /* the library that makes pcscd see them */
    } usb_readers;
    /* filled in by pcscd_start */
    int log_fd; /* 0: none yet; it stays open, for the next start */
    pid_t pid;
    char note[256]; /* what had to be done without, or empty */
};

/* Finds pcscd: wanted, if it is not NULL, or in PATH and where distributions have it. False with error, which
 * says what to install. */
bool pcscd_find(const char *wanted, char *path, size_t path_size, struct error *error);

/* Writes reader.conf.d, for readers on USB a bundle, and what goes with them into the directory. False with
 * error; where umockdev is missing that says so. */
bool pcscd_configure(struct pcscd *pcscd, const struct pcscd_reader *readers, unsigned reader_count,
                     struct error *error);

/* Once pcscd has ended, writes that into its log. False with error: it could not be, and more may be
 * missing. */
bool pcscd_finish_log(const struct pcscd *pcscd, struct error *error);

/* Where clients find it: what PCSCLITE_CSOCK_NAME is to be. */
#define PCSCD_SOCKET_MAX 108 /* as in sockaddr_un */
void pcscd_socket(const char *directory, char path[PCSCD_SOCKET_MAX]);

/* Starts it as a child that is killed when its parent dies, and leads a process group. Clients may connect to
 * its socket at once; they wait until it is ready (pcscd/question.h). False with error. pcscd alone has that
 * socket afterwards: when it is gone, who connects is to notice. */
bool pcscd_start(struct pcscd *pcscd, struct error *error);

/*
 * Inside, and for `cardrig doctor`, which tries them out:
 */

/* For pcscd_configure: writes what pcscd and the driver need for readers on USB: a bundle in
 * DIRECTORY/drivers, and what becomes of pcscd's environment. */
bool usb_configure(struct pcscd *pcscd, const struct pcscd_reader *readers, unsigned reader_count,
                   struct error *error);

/* Where umockdev's library is; false with error, which says what to install. */
bool usb_find_umockdev(char *path, size_t size, struct error *error);

/* In the child: sets up the environment for them, if there are any. False: out of memory. */
bool usb_set_environment(const struct pcscd *pcscd);

/* Makes DIRECTORY/name; false with error. */
bool configure_make_directory(const char *directory, const char *name, struct error *error);

/* Copies a file to DIRECTORY/name; false with error. Libraries are copied for four reasons: LIBPATH can hold
 * fewer characters than a path can have, LD_PRELOAD can hold no spaces and colons, and where they are may be
 * covered for the private pcscd. And it numbers readers on USB apart from serial ones: the same number in the
 * same library would be the same reader. */
bool configure_copy(const char *file, const char *directory, const char *name, struct error *error);

/* What the library to preload is called in the rig's directory. */
#define CONFIGURE_PRELOAD "preload.so"

bool configure_fail(struct error *error, const char *what, const char *path);

/* In the child: goes into namespaces of its own. On failure the name of the step, with errno; else NULL. */
const char *isolate_by_namespaces(const struct pcscd *pcscd);

/* Puts a library in front of LD_PRELOAD. False: out of memory. */
bool isolate_preload(const char *library);

#endif
