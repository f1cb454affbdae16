/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig run */
#include "base/error.h"
#include "base/output.h"
#include "cli/cli.h"
#include "cli/device.h"
#include "cli/front.h"
#include "cli/keeper.h"
#include "cli/network.h"
#include "cli/origin.h"
#include "cli/paths.h"
#include "cli/pcscd_version.h"
#include "cli/rig_options.h"
#include "cli/stale.h"
#include "cli/supervise.h"
#include "rig/directory.h"
#include "rig/log.h"
#include "rig/random.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define OTHER_FILES 16 /* open files of pcscd, or of the simulator, besides those for slots */

struct run_plan {
    struct rig_options rig_options;
    const char *pcscd;
    char pcscd_log[PATH_MAX]; /* "": the log goes to the rig's directory */
    enum pcscd_isolation isolation;
    bool private_network;
    char **command;
};

static bool parse_isolation(const char *text, enum pcscd_isolation *isolation)
{
    static const char *const names[] = {"auto", "namespaces", "redirect"};
    for (unsigned i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *isolation = (enum pcscd_isolation)i;
            return true;
        }
    rig_log("--isolation %s: expected auto, namespaces or redirect", text);
    return false;
}

enum { PCSCD = OPTION_WITHOUT_LETTER, PCSCD_LOG, ISOLATION, PRIVATE_NETWORK };

/* Returns -1 to continue with the plan, or else an exit status. */
static int parse_options(int argc, char **argv, struct run_plan *plan)
{
    *plan = (struct run_plan){.pcscd = getenv("CARDRIG_PCSCD")};
    for (int option; (option = options_next(&run_subcommand, argc, argv)) != -1;) {
        switch (option) {
        case PCSCD:
            plan->pcscd = optarg;
            break;
        case PCSCD_LOG:
            if (output_expand_path(optarg, plan->pcscd_log))
                break;
            rig_log("--pcscd-log %.80s...: the name is too long", optarg);
            return EXIT_USAGE;
        case ISOLATION:
            if (!parse_isolation(optarg, &plan->isolation))
                return EXIT_USAGE;
            break;
        case PRIVATE_NETWORK:
            plan->private_network = true;
            break;
        default:
            if (!rig_options_take(&plan->rig_options, option, optarg))
                return option == 'h' ? EXIT_OK : EXIT_USAGE;
        }
    }
    plan->command = argv + optind;
    if (!plan->command[0]) {
        rig_log("run: which command? For example: cardrig run -- opensc-tool --atr");
        return EXIT_USAGE;
    }
    struct error error;
    if (!rig_options_check(&plan->rig_options, &error)) {
        rig_log("%s", error.text);
        return EXIT_USAGE;
    }
    return -1;
}

static int set_up_failed(void)
{
    doctor_hint();
    return EXIT_RIG_FAILED;
}

/* Configures pcscd for the readers, and plugs in the USB readers, so that pcscd finds them when it starts. */
static bool prepare_pcscd(struct pcscd *pcscd, struct slots *slots, struct error *error)
{
    struct pcscd_reader readers[LINK_MAX_SLOTS];
    char device[LINK_MAX_SLOTS][DEVICE_MAX], link[PATH_MAX];
    snprintf(link, sizeof link, "%s/link", pcscd->directory);
    for (unsigned i = 0; i < slots->reader_count; i++) {
        const struct reader *reader = &slots->reader[i];
        const struct reader_options *options = &reader->options;
        readers[i] = (struct pcscd_reader){reader->options.name, device_text(reader, link, device[i]),
                                           options->usb ? i + 1 : 0, options->vendor_id, options->product_id};
    }
    pcscd->usb = slots->usb_folder;
    return pcscd_configure(pcscd, readers, slots->reader_count, error) && slots_plug_all(slots, error);
}

/* Checks the limit of open files. pcscd needs two descriptors for each slot, and so does the simulator.
 * Returns false and sets *error if the limit is too low. */
static bool enough_files(const struct slots *slots, struct error *error)
{
    struct rlimit files;
    unsigned needed = 2 * slots->slot_count + OTHER_FILES;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= needed)
        return true;
    return error_set(error, "%u slots need %u file descriptors, and %lu are allowed: raise 'ulimit -n'",
                     slots->slot_count, needed, (unsigned long)files.rlim_cur);
}

/* Checks that pcscd supports this many slots. Does not run pcscd if every version does. Returns false and
 * sets *error if there are too many. */
static bool enough_room(const char *program, const struct slots *slots, struct error *error)
{
    struct pcscd_version version;
    if (slots->slot_count <= PCSCD_SLOTS_BEFORE_2_5 ||
        (pcscd_version(program, &version) && slots->slot_count <= pcscd_version_slots(&version)))
        return true;
    return error_set(
        error,
        "%u slots: %s%s%s has room for %u; from pcscd 2.5.0 on there is room for %u: give another one with "
        "--pcscd",
        slots->slot_count, program, version.text[0] ? " " : "", version.text, PCSCD_SLOTS_BEFORE_2_5,
        PCSCD_SLOTS);
}

/* Moves to a private network. Clears stale rigs first, because a process in a user namespace cannot inspect
 * the processes outside. Returns false after logging why on failure. */
static bool leave_network(void)
{
    stale_rigs_clear(getenv(STALE_MARK));
    const char *failed = network_enter_private();
    int reason = errno;
    if (failed)
        rig_log("--private-network is not available here (%s: %s); remedy: %s", failed, strerror(reason),
                network_remedy());
    return !failed;
}

/* Sets up a rig and runs the command with it. Runs in the supervisor. Returns an exit status. */
static int run_in_rig(struct run_plan *plan, const char *program, const struct origin *origin, int front,
                      pid_t keeper)
{
    struct error error;
    char driver[PATH_MAX], redirect[PATH_MAX], log[PATH_MAX];
    if (plan->private_network && !leave_network())
        return set_up_failed();
    if (!paths_driver(driver, sizeof driver) || !paths_redirect(redirect, sizeof redirect))
        return set_up_failed();
    struct rig *rig = rig_new(plan->rig_options.seed, &error);
    if (!rig) {
        rig_log("%s", error.text);
        return set_up_failed();
    }
    snprintf(log, sizeof log, "%s/pcscd.log", rig_directory(rig));
    struct pcscd pcscd = {
        .program = program,
        .directory = rig_directory(rig),
        .driver = driver,
        .redirect = redirect,
        .isolation = plan->isolation,
        .log = plan->pcscd_log[0] ? plan->pcscd_log : log,
        .debug = plan->pcscd_log[0] != '\0',
    };
    struct slots *slots = rig_slots_of(rig);
    int status = rig_options_add_readers(&plan->rig_options, slots, &error);
    if (status == EXIT_OK && !(enough_files(slots, &error) && enough_room(program, slots, &error) &&
                               rig_listen_for_vpcd(rig, &error) && prepare_pcscd(&pcscd, slots, &error)))
        status = EXIT_RIG_FAILED;
    if (status != EXIT_OK) {
        rig_log("%s", error.text);
        directory_remove(rig_directory(rig));
        rig_free(rig);
        return status;
    }
    return supervise(&(struct supervise_plan){.rig = rig,
                                              .rig_options = &plan->rig_options,
                                              .pcscd = &pcscd,
                                              .command = plan->command,
                                              .origin = origin,
                                              .stale_cleared = plan->private_network,
                                              .front = front,
                                              .keeper = keeper});
}

static int run_main(int argc, char **argv)
{
    struct run_plan plan;
    struct origin origin;
    struct error error;
    char program[PATH_MAX];
    int status = parse_options(argc, argv, &plan);
    if (status >= 0)
        return status;
    if (!pcscd_find(plan.pcscd, program, sizeof program, &error)) {
        rig_log("%s", error.text);
        return set_up_failed();
    }
    origin_leave(&origin);
    struct keeper keeper;
    int front = front_split();
    if (front < 0 || !keeper_start(&keeper, origin.group, front)) {
        rig_log("cannot start a process: %s", strerror(errno));
        return EXIT_RIG_FAILED;
    }
    status = run_in_rig(&plan, program, &origin, front, keeper.pid);
    keeper_end(&keeper);
    return status;
}

static const struct option_entry options[] = {
    {PCSCD, "pcscd", "PATH", ":files", "the pcscd to run"},
    {PCSCD_LOG, "pcscd-log", "FILE", ":files",
     "write pcscd's debug log, with the APDUs, to FILE (with %p as above)"},
    {ISOLATION, "isolation", "HOW", "auto namespaces redirect",
     "keep pcscd apart by 'namespaces', or by 'redirect' (a preloaded library); 'auto', the default, takes what works, "
     "namespaces first"},
    {PRIVATE_NETWORK, "private-network", NULL, NULL,
     "give the rig and COMMAND a network of their own, which has localhost and nothing else, and all ports free: for "
     "cards whose port cannot be changed"},
    {0},
};

const struct subcommand run_subcommand = {
    .name = "run",
    .summary = "run a command with a private pcscd, a virtual reader and a card",
    .function = run_main,
    .usage = "[OPTION]... [--] COMMAND [ARGUMENT]...",
    .description = "Run COMMAND with a PC/SC service of its own: a private pcscd with virtual\n"
                   "readers and cards. Needs no privileges and no configuration, and leaves the\n"
                   "system's pcscd alone. Without options there is one reader, 'cardrig', with a\n"
                   "built-in card. Exits as COMMAND does.\n",
    .options = {rig_options_list, options},
    .keys = rig_options_keys_help,
    .notes = "COMMAND finds PC/SC through PCSCLITE_CSOCK_NAME; 'cardrig insert', 'remove',\n"
             "'plug', 'status' and others find the rig through CARDRIG_SOCKET; CARDRIG_READER\n"
             "is what PC/SC calls the first slot. A reader for vpcd cards listens at\n"
             "CARDRIG_VPCD_HOST and CARDRIG_VPCD_PORT.\n\n"
             "Exit status: that of COMMAND; 2 when the command line is wrong, 125 when the rig\n"
             "could not be set up or has died, 126 when COMMAND cannot be run, 127 when it\n"
             "does not exist.\n",
    .arguments = {":command", ":files"},
    .runs_command = true,
};
