/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig serve */
#include "base/error.h"
#include "cli/cli.h"
#include "cli/device.h"
#include "cli/notify.h"
#include "cli/paths.h"
#include "cli/pcscd_version.h"
#include "cli/rig_options.h"
#include "link/vpcd.h"
#include "rig/address.h"
#include "rig/control.h"
#include "rig/directory.h"
#include "rig/log.h"
#include "rig/random.h"
#include "rig/rig.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

struct serve_plan {
    struct rig_options rig_options;
    char directory[PATH_MAX];
    struct access_list pcscd_users;
    bool other_user; /* --pcscd-user was given */
    bool config;
    bool vpcd; /* the slots are vpcd cards, and there is no socket for drivers */
    bool vpcd_listen;
    struct address vpcd_address;
};

/* Adds a user, given by name or number. Returns false after logging why on failure. */
static bool parse_user(const char *text, struct access_list *users)
{
    const struct passwd *entry = getpwnam(text);
    char *end;
    errno = 0;
    unsigned long number = entry ? entry->pw_uid : strtoul(text, &end, 10);
    if (!entry && (!isdigit((unsigned char)text[0]) || *end || errno || number >= LINK_NOBODY)) {
        rig_log("--pcscd-user %s: there is no user of that name, nor is it a user's number", text);
        return false;
    }
    if (access_add(users, (uid_t)number))
        return true;
    rig_log("--pcscd-user %s: there can be no more than %d users", text, ACCESS_MAX);
    return false;
}

/* Adds the user "pcscd", if it exists. pcscd.service runs as this user from 2.4 on. */
static void add_user_of_service(struct access_list *users)
{
    const struct passwd *entry = getpwnam("pcscd");
    if (entry)
        access_add(users, entry->pw_uid);
}

static bool parse_vpcd(const char *text, bool listen, struct serve_plan *plan)
{
    struct error error;
    const char *option = listen ? "--vpcd-listen" : "--vpcd";
    if (plan->vpcd)
        error_set(&error, "give --vpcd or --vpcd-listen, and only once");
    else if (address_parse(text, &plan->vpcd_address, &error)) {
        plan->vpcd_listen = listen;
        return plan->vpcd = true;
    }
    rig_log("%s %s", option, error.text);
    return false;
}

/* Writes the default directory: the first one in RUNTIME_DIRECTORY, in which systemd may list several,
 * separated by colons, or else DIRECTORY_DEFAULT. */
static void default_directory(char *path, size_t size)
{
    const char *runtime = getenv("RUNTIME_DIRECTORY");
    if (!runtime || !*runtime)
        runtime = DIRECTORY_DEFAULT;
    snprintf(path, size, "%.*s", (int)strcspn(runtime, ":"), runtime);
}

enum { CONFIG = OPTION_WITHOUT_LETTER, VPCD, VPCD_LISTEN };

/* Returns -1 to continue with the plan, or else an exit status. */
static int parse_options(int argc, char **argv, struct serve_plan *plan)
{
    *plan = (struct serve_plan){.vpcd_address = {.host = "127.0.0.1", .port = VPCD_PORT}};
    add_user_of_service(&plan->pcscd_users);
    default_directory(plan->directory, sizeof plan->directory);
    for (int option; (option = options_next(&serve_subcommand, argc, argv)) != -1;) {
        switch (option) {
        case 'd':
            snprintf(plan->directory, sizeof plan->directory, "%s", optarg);
            break;
        case 'u':
            if (!parse_user(optarg, &plan->pcscd_users))
                return EXIT_USAGE;
            plan->other_user = true;
            break;
        case VPCD:
        case VPCD_LISTEN:
            if (!parse_vpcd(optarg, option == VPCD_LISTEN, plan))
                return EXIT_USAGE;
            break;
        case CONFIG:
            plan->config = true;
            break;
        default:
            if (!rig_options_take(&plan->rig_options, option, optarg))
                return option == 'h' ? EXIT_OK : EXIT_USAGE;
        }
    }
    struct error error;
    if (optind < argc) {
        rig_log("serve: takes no arguments, got '%s'; to run a command there is 'cardrig run'", argv[optind]);
        return EXIT_USAGE;
    }
    if (plan->vpcd && (plan->config || plan->other_user)) {
        rig_log("%s is for cardrig's driver, and does not go with %s",
                plan->config ? "--config" : "--pcscd-user", plan->vpcd_listen ? "--vpcd-listen" : "--vpcd");
        return EXIT_USAGE;
    }
    if (!rig_options_check(&plan->rig_options, &error) || !directory_check_name(plan->directory, &error)) {
        rig_log("%s", error.text);
        return EXIT_USAGE;
    }
    return -1;
}

static bool share_a_port(const struct reader_options *a, const struct reader_options *b)
{
    return a->cards == READER_VPCD_LISTEN && b->cards == READER_VPCD_LISTEN &&
           strcmp(a->vpcd.host, b->vpcd.host) == 0 && a->vpcd.port < b->vpcd.port + b->slots &&
           b->vpcd.port < a->vpcd.port + a->slots;
}

/* Checks that no two readers listen at the same port, because pcscd would leave out the second reader.
 * Returns false and sets *error if they do. */
static bool check_ports(const struct slots *slots, struct error *error)
{
    for (const struct reader *b = slots->reader; b < slots->reader + slots->reader_count; b++)
        for (const struct reader *a = slots->reader; a < b; a++)
            if (share_a_port(&a->options, &b->options))
                return error_set(error,
                                 "readers '%s' and '%s' would listen at the same port: '%s' has %u, '%s' %u",
                                 a->options.name, b->options.name, a->options.name, a->options.vpcd.port,
                                 b->options.name, b->options.vpcd.port);
    return true;
}

/* Rejects options that do not work with an installed pcscd, or with slots that are vpcd cards. Returns
 * false and sets *error then. */
static bool check_reader(const struct serve_plan *plan, const struct reader_options *options,
                         struct error *error)
{
    if (options->usb)
        error_set(error,
                  "reader '%s': an installed pcscd finds real devices on USB; 'cardrig run' has a pcscd for "
                  "others",
                  options->name);
    else if (plan->vpcd && options->cards != READER_OWN_CARDS)
        error_set(error,
                  "reader '%s' is for vpcd cards: its slots cannot be cards for others' vpcd readers as well",
                  options->name);
    else
        return true;
    return false;
}

/* Adds readers and cards. A reader that listens for vpcd cards, and whose options give no port, gets the
 * next of the ports that vpcd's own readers use. Returns an exit status, and sets *error if it is not
 * EXIT_OK. */
static int set_up_rig(const struct serve_plan *plan, struct slots *slots, struct error *error)
{
    unsigned port = VPCD_PORT;
    int status = rig_options_add_readers(&plan->rig_options, slots, error);
    if (status == EXIT_OK)
        status = rig_options_insert_cards(&plan->rig_options, slots, error);
    if (status != EXIT_OK)
        return status == EXIT_USAGE ? EXIT_USAGE : EXIT_FAILED;
    for (unsigned i = 0; i < slots->reader_count; i++) {
        struct reader_options *options = &slots->reader[i].options;
        if (!check_reader(plan, options, error))
            return EXIT_USAGE;
        if (options->cards == READER_VPCD_LISTEN && options->vpcd.port == 0) {
            options->vpcd.port = port;
            port += options->slots;
        }
    }
    return check_ports(slots, error) ? EXIT_OK : EXIT_USAGE;
}

/*
 * --config
 */

/* Returns the user that a rig in the directory runs as, or will run as: the owner of its socket, or else of
 * the directory, or else our own user. */
static uid_t serving_user(const char *directory)
{
    char link[PATH_MAX + 8];
    struct stat status;
    snprintf(link, sizeof link, "%s/link", directory);
    if (lstat(link, &status) == 0 || lstat(directory, &status) == 0)
        return status.st_uid;
    return geteuid();
}

/* Writes the key of a DEVICENAME that names the user. The driver always accepts root, so that the key can
 * name the user of cardrig.service instead, which may be the one that serves next time. */
static void user_key(uid_t user, char *key, size_t size)
{
    char text[ACCESS_USER_TEXT];
    if (user != 0)
        snprintf(key, size, ":user=%s", access_user_text(user, text));
    else
        snprintf(key, size, "%s", getpwnam("cardrig") ? ":user=cardrig" : "");
}

/* Returns the folder above path that ProtectHome= or PrivateTmp= of pcscd.service makes inaccessible or
 * replaces by a private one, or NULL if the service can access path. */
static const char *hidden_by(const char *path)
{
    static const char *const folders[] = {"/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (strncmp(path, folders[i], strlen(folders[i])) == 0)
            return folders[i];
    return NULL;
}

/* Warns of files that a current pcscd.service cannot access, and of slots that an older pcscd does not
 * support. */
static void warn_of_pcscd_limits(const char *driver, const char *directory, unsigned slot_count)
{
    const char *folder = hidden_by(driver);
    struct stat status;
    if (folder)
        rig_log("warning: LIBPATH is %s, and pcscd.service (from 2.3 on) cannot see %s: install "
                "cardrig first, or pcscd finds no driver",
                driver, folder);
    if ((folder = hidden_by(directory)))
        rig_log("warning: the directory is %s, and pcscd.service (from 2.3 on) cannot see %s: "
                "choose another one with --directory",
                directory, folder);
    if (slot_count > PCSCD_SLOTS_BEFORE_2_5)
        rig_log("warning: %u slots, and before 2.5.0 pcscd has room for %u: 'pcscd --version' tells",
                slot_count, PCSCD_SLOTS_BEFORE_2_5);
    if (fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode) && !(status.st_mode & S_IROTH))
        rig_log(
            "warning: the file has mode %03o, and pcscd.service (from 2.4 on) runs as a user of its own: let "
            "others read it (chmod 644)",
            (unsigned)status.st_mode & 07777);
}

static int print_config(const struct serve_plan *plan, const struct slots *slots)
{
    char found[PATH_MAX], driver[PATH_MAX], user[128], link[PATH_MAX + 8], device[DEVICE_MAX];
    if (!paths_driver(found, sizeof found))
        return EXIT_FAILED;
    if (!realpath(found, driver)) {
        rig_log("%s: %s", found, strerror(errno));
        return EXIT_FAILED;
    }
    if (!directory_is_plain(driver)) {
        rig_log("the driver is %s, which pcscd's configuration cannot hold: it must be at a path of A-Z a-z "
                "0-9 / - . "
                "_ @ alone",
                driver);
        return EXIT_FAILED;
    }
    warn_of_pcscd_limits(driver, plan->directory, slots->slot_count);
    user_key(serving_user(plan->directory), user, sizeof user);
    snprintf(link, sizeof link, "%s/link", plan->directory);
    for (unsigned i = 0; i < slots->reader_count; i++) {
        const struct reader *reader = &slots->reader[i];
        printf("%sFRIENDLYNAME \"%s\"\n"
               "DEVICENAME   %s%s\n"
               "LIBPATH      %s\n"
               "CHANNELID    %u\n",
               i > 0 ? "\n" : "", reader->options.name, device_text(reader, link, device), user, driver, i);
    }
    if (fflush(stdout) == 0)
        return EXIT_OK;
    rig_log("cannot write the configuration: %s", strerror(errno));
    return EXIT_FAILED;
}

/* Prints pcscd's configuration. Ignores the options for cards, which do not concern pcscd, and the trace. */
static int configure(struct serve_plan *plan)
{
    struct error error = {"out of memory"};
    struct slots *slots = calloc(1, sizeof *slots);
    plan->rig_options.card_count = 0;
    plan->rig_options.trace = NULL;
    plan->rig_options.empty = true;
    int status = EXIT_FAILED;
    if (slots) {
        slots_init(slots, plan->rig_options.seed);
        status = set_up_rig(plan, slots, &error);
        if (status == EXIT_OK)
            status = print_config(plan, slots);
        else
            rig_log("%s", error.text);
        slots_free(slots);
    }
    free(slots);
    return status;
}

/*
 * Serving
 */

/* Blocks the signals that end the rig. Returns a descriptor that becomes readable when one of them arrives,
 * or -1 with errno set. */
static int watch_signals(void)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGHUP);
    signal(SIGPIPE, SIG_IGN); /* a program that reads our output through a pipe may end */
    return sigprocmask(SIG_BLOCK, &ends, NULL) < 0 ? -1 : signalfd(-1, &ends, SFD_CLOEXEC);
}

/* Logs each user whose pcscd may open the link socket, but cannot enter the directory. */
static void report_closed_directory(const char *directory, const struct access_list *users)
{
    struct stat status;
    char text[ACCESS_USER_TEXT];
    if (stat(directory, &status) < 0 || (status.st_mode & (S_IXGRP | S_IXOTH)))
        return;
    for (unsigned i = 0; i < users->count; i++)
        if (users->user[i] != status.st_uid)
            rig_log("a pcscd of user %s cannot enter %s (mode %03o)", access_user_text(users->user[i], text),
                    directory, (unsigned)status.st_mode & 07777);
}

/* Logs where the rig serves and for which users' pcscd, and notifies systemd. Leaves out our own user, who
 * may connect as well: unless that is root, no pcscd service runs as this user. */
static void report_ready(const struct rig *rig, const struct serve_plan *plan)
{
    char names[ACCESS_MAX * (ACCESS_USER_TEXT + 4)] = "", text[ACCESS_USER_TEXT];
    const struct access_list *users = &plan->pcscd_users;
    for (unsigned i = 0; i < users->count && !plan->vpcd; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, " or %s", access_user_text(users->user[i], text));
    }
    if (!plan->vpcd)
        report_closed_directory(rig_directory(rig), users);
    rig_log("serving in %s%s%s", rig_directory(rig), plan->vpcd ? "" : ", for a pcscd of root", names);
    notify("READY=1");
}

static int serve_main(int argc, char **argv)
{
    struct serve_plan plan;
    int status = parse_options(argc, argv, &plan);
    if (status >= 0)
        return status;
    if (plan.config)
        return configure(&plan);

    struct error error;
    struct directory_claim claim = {.fd = -1};
    struct rig *rig = NULL;
    status = EXIT_FAILED;
    umask(077);
    int signal_fd = watch_signals();
    if (signal_fd < 0) {
        error_set(&error, "cannot wait for signals: %s", strerror(errno));
        goto out;
    }
    if (!directory_claim(&claim, plan.directory, &error))
        goto out;
    struct rig_place place = {.directory = claim.path, .link = !plan.vpcd, .driver_users = &plan.pcscd_users};
    if (!(rig = rig_new_at(&place, plan.rig_options.seed, &error)))
        goto out;
    if ((status = set_up_rig(&plan, rig_slots_of(rig), &error)) != EXIT_OK)
        goto out;
    status = EXIT_FAILED;
    if (!rig_listen_for_vpcd(rig, &error))
        goto out;
    if (plan.vpcd && !rig_set_vpcd(rig, &plan.vpcd_address, plan.vpcd_listen, &error))
        goto out;
    report_ready(rig, &plan);
    status = rig_serve(rig, control_answer, signal_fd) ? EXIT_OK : EXIT_FAILED;
    error.text[0] = '\0'; /* rig_serve has logged its errors */
    notify("STOPPING=1");
out:
    if (status != EXIT_OK && error.text[0])
        rig_log("%s", error.text);
    bool ended = rig_free(rig);
    directory_release(&claim);
    if (signal_fd >= 0)
        close(signal_fd);
    if (ended)
        return status;
    fflush(NULL);
    _exit(status); /* a thread still runs, and must not run into the cleanup of exit() */
}

static const struct option_entry options[] = {
    {'d', "directory", "DIRECTORY", ":directories",
     "where the sockets are: 'link', for the driver, and 'control'; without it $RUNTIME_DIRECTORY, as systemd sets it, "
     "or else " DIRECTORY_DEFAULT},
    {'u', "pcscd-user", "USER", ":users",
     "a name or number: let a pcscd of this user connect, too; those of root, of the user 'pcscd' and of the own user always can"},
    {CONFIG, "config", NULL, NULL,
     "print what pcscd needs to know of these readers, and exit: cardrig serve --config > /etc/reader.conf.d/cardrig"},
    {VPCD, "vpcd", "HOST[:PORT]", NULL,
     "be cards for vpcd's readers: slot i connects to the one at PORT + i (35963)"},
    {VPCD_LISTEN, "vpcd-listen", "[HOST:]PORT", NULL,
     "the same reversed: vpcd's reader for slot i connects to us at PORT + i; HOST is 127.0.0.1 unless given"},
    {0},
};

const struct subcommand serve_subcommand = {
    .name = "serve",
    .summary = "provide the readers and cards of an installed pcscd, or of vpcd",
    .function = serve_main,
    .usage = "[OPTION]...\n[OPTION]... --vpcd HOST[:PORT]\n[OPTION]... --vpcd-listen [HOST:]PORT",
    .description = "Provide the readers and cards of an installed pcscd until SIGTERM or SIGINT.\n"
                   "Without options there is one reader, 'cardrig', with a built-in card.\n",
    .options = {rig_options_list, options},
    .keys = rig_options_keys_help,
    .notes = "The keys for USB are for 'cardrig run'.\n\n"
             "'cardrig insert', 'remove', 'swap', 'fault' and 'status' find the rig in\n" DIRECTORY_DEFAULT
             ", or where CARDRIG_SOCKET says.\n\n"
             "Exit status: 0 after a signal to end; 1 when it could not serve, 2 when the\n"
             "command line is wrong.\n",
};
