/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A private pcscd, run by an ordinary user next to the system's pcscd, which it does not touch. Any build of
 * pcscd works, with or without socket activation and with or without polkit, and so does a wrapper that runs
 * one.
 *
 * Clients find its socket through PCSCLITE_CSOCK_NAME. pcscd_start opens the socket, at
 * run/pcscd/pcscd.comm in the rig's directory, and passes it to pcscd as systemd would. pcscd also has
 * fixed paths: a directory in /run with a pid file, and the directory of USB drivers, through which it
 * would take the machine's real readers. Both are replaced by directories of the rig, in two ways:
 *
 *   - A library that is preloaded into pcscd changes these paths in pcscd's calls. It also answers in place
 *     of polkit, passes the socket to a pcscd without socket activation, ends a pcscd together with the
 *     wrapper that started it, and shortens a wait at the start (nap.c).
 *   - Namespaces, where they are permitted: a mount namespace, inside a user namespace unless we are root, in
 *     which the rig's directories are mounted over both paths. Without namespaces (in many containers), the
 *     isolation depends on redirect.c to cover every call that pcscd makes with such a path.
 */
#ifndef CARDRIG_PCSCD_PCSCD_H
#define CARDRIG_PCSCD_PCSCD_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum pcscd_isolation { PCSCD_ISOLATION_AUTO, PCSCD_ISOLATION_NAMESPACES, PCSCD_ISOLATION_REDIRECT };

#define PCSCD_READERS_MAX 255 /* the limit of pcscd from 2.5 on */
#define PCSCD_DEVICE_MAX  256

struct pcscd_reader {
    const char *name;
    const char
        *device; /* its DEVICENAME, in the driver's syntax and in characters that reader.conf can hold */
    /* of a USB reader: the number of the bus, on which it is the only device; else 0 */
    unsigned bus, vendor_id, product_id;
};

struct pcscd {
    /* filled in by the caller */
    const char *program;   /* the pcscd to run */
    const char *directory; /* the rig's, accessible only to this user; named as by directory_new */
    const char *driver;    /* the IFD handler: libifdcardrig.so, or another one */
    const char *redirect;  /* the library to preload: libcardrig-redirect.so */
    enum pcscd_isolation isolation;
    const char *log; /* the path of its log file, for output_open() */
    bool debug;      /* log everything, APDUs included */
    const char *usb; /* the folder with the files of USB readers (rig/usb_bus.h) */
    int listen_fd;   /* the socket at pcscd_socket() if the caller listens there itself; the caller keeps
                              it. Otherwise 0 */
    /* filled in by pcscd_configure */
    struct pcscd_usb {
        unsigned count;
        unsigned bus[PCSCD_READERS_MAX];
        char device[PCSCD_READERS_MAX][PCSCD_DEVICE_MAX];
        char umockdev[4096]; /* the path of the library that shows them to pcscd */
    } usb_readers;
    /* filled in by pcscd_start */
    int log_fd; /* 0: not open yet; stays open for the next start */
    pid_t pid;
    char note[256]; /* says if pcscd runs without namespaces, and why; or empty */
};

/* Writes the path of pcscd: wanted, if it is not NULL or empty, or else the first pcscd in PATH and in the
 * usual sbin directories. Returns false and sets *error if wanted cannot be executed, or if no pcscd is
 * found; then *error says what to install. */
bool pcscd_find(const char *wanted, char *path, size_t path_size, struct error *error);

/* Fills the directory: reader.conf.d for serial readers, a driver bundle for USB readers, and copies of the
 * libraries. Returns false and sets *error on failure, which includes USB readers without umockdev. */
bool pcscd_configure(struct pcscd *pcscd, const struct pcscd_reader *readers, unsigned reader_count,
                     struct error *error);

/* Appends a last line to pcscd's log. Call this after pcscd has ended. Returns false and sets *error if the
 * line could not be written; then the log may also lack lines from pcscd. Returns true without writing if
 * the log is a FIFO that is no longer read. */
bool pcscd_finish_log(const struct pcscd *pcscd, struct error *error);

/* Writes the path of the socket for clients, the value for PCSCLITE_CSOCK_NAME. */
#define PCSCD_SOCKET_MAX 108 /* as in sockaddr_un */
void pcscd_socket(const char *directory, char path[PCSCD_SOCKET_MAX]);

/* Starts pcscd as a child that leads a process group and is killed when its parent dies. Clients may
 * connect to the socket at once, and then wait until pcscd is ready (pcscd/question.h). Returns false and
 * sets *error on failure. Afterwards only pcscd holds the socket (unless it is listen_fd), so that
 * connecting fails once pcscd is gone. */
bool pcscd_start(struct pcscd *pcscd, struct error *error);

/*
 * Internal functions, also used by `cardrig doctor` for its tests
 */

/* For pcscd_configure. Sets usb_readers, from which usb_set_environment makes pcscd's environment, and
 * writes a driver bundle to DIRECTORY/drivers if there are USB readers. Returns false and sets *error on
 * failure. */
bool usb_configure(struct pcscd *pcscd, const struct pcscd_reader *readers, unsigned reader_count,
                   struct error *error);

/* Writes the path of umockdev's library. Returns false and sets *error, which says what to install, if it
 * is not found. */
bool usb_find_umockdev(char *path, size_t size, struct error *error);

/* Sets the environment for USB readers, if there are any. Call this in the child that becomes pcscd. Returns
 * false if out of memory. */
bool usb_set_environment(const struct pcscd *pcscd);

/* Makes the directory DIRECTORY/name. Returns false and sets *error on failure. */
bool configure_make_directory(const char *directory, const char *name, struct error *error);

/*
 * Copies a file to DIRECTORY/name. Returns false and sets *error on failure.
 *
 * Libraries are copied into the rig's directory for four reasons. LIBPATH does not accept every character
 * of a path. LD_PRELOAD accepts no spaces or colons. The original may be hidden from the private pcscd by a
 * mount. And pcscd numbers USB readers separately from serial ones, so that a USB and a serial reader can get
 * the same Lun, which must be unique within one loaded library.
 */
bool configure_copy(const char *file, const char *directory, const char *name, struct error *error);

/* The name of the preloaded library in the rig's directory. */
#define CONFIGURE_PRELOAD "preload.so"

/* Sets *error to "cannot WHAT PATH" with the text of errno. Always returns false. */
bool configure_fail(struct error *error, const char *what, const char *path);

/* Moves the process into namespaces of its own. Call this in the child that becomes pcscd. Returns NULL, or
 * the name of the step that failed, with errno set. */
const char *isolate_by_namespaces(const struct pcscd *pcscd);

/* Puts a library first in LD_PRELOAD. Returns false if out of memory. */
bool isolate_preload(const char *library);

#endif
