/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig doctor: tests what this machine has and lacks for `cardrig run`, by trying everything out */
#include "base/error.h"
#include "base/namespaces.h"
#include "base/oneline.h"
#include "cli/cli.h"
#include "cli/network.h"
#include "cli/paths.h"
#include "cli/pcscd_version.h"
#include "cli/probe.h"
#include "cli/trial.h"
#include "pcscd/pcscd.h"
#include "rig/directory.h"
#include "rig/log.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define TRIED_BY_DOCTOR "CARDRIG_TRIED_BY_DOCTOR" /* set in the environment of the rigs that doctor starts */
#define CARD_OPTION     "probe-card"              /* hidden option of the command in these rigs */
#define TRIAL_SECONDS   10                        /* time limit for a rig */
#define VERSION_SECONDS 5
#define PROTOCOL_2_5    4006 /* protocol 4:6, of clients from pcsc-lite 2.5.0 on */
#define FILES_WANTED    256  /* enough for 16 readers, their cards and as many clients */
#define THREADS_WANTED  64
#define FILE_WANTED     (16L << 20) /* bytes, for logs and traces */

enum finding_state {
    STATE_OK,
    STATE_LIMITED, /* `cardrig run` works without it */
    STATE_MISSING, /* `cardrig run` does not work without it */
};

struct finding {
    enum finding_state state;
    char found[1024];
    char remedy[1024]; /* empty if there is nothing to do */
};

/* The results of earlier checks that later ones use. */
struct doctor_context {
    const char *wanted_pcscd;
    char pcscd[PATH_MAX]; /* empty: not found */
    char driver[PATH_MAX];
    char redirect[PATH_MAX];
    char directory[DIRECTORY_MAX]; /* empty: none could be made */
    int lock;                      /* of the directory */
    bool missing;                  /* something is missing, so that no rig can be started */
};

static void found(struct finding *finding, enum finding_state state, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sets the finding. oneline() makes the text safe, which may contain environment variables and the output of
 * programs. */
static void found(struct finding *finding, enum finding_state state, const char *format, ...)
{
    char text[sizeof finding->found];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    oneline(finding->found, sizeof finding->found, text, strlen(text));
    finding->state = state;
}

static void remedy(struct finding *finding, const char *text)
{
    snprintf(finding->remedy, sizeof finding->remedy, "%s", text);
}

/* Joins the lines of text by semicolons, in place. Returns text. */
static char *one_line(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    for (char *at = text; (at = strchr(at, '\n'));)
        *at = ';';
    return text;
}

/*
 * pcscd
 */

static void check_pcscd(struct doctor_context *context, struct finding *finding)
{
    struct error error;
    struct pcscd_version version;
    if (!pcscd_find(context->wanted_pcscd, context->pcscd, sizeof context->pcscd, &error)) {
        context->pcscd[0] = '\0';
        found(finding, STATE_MISSING, "%s", error.text);
        return;
    }
    if (!pcscd_version(context->pcscd, &version)) {
        found(finding, STATE_LIMITED, "%s, which does not say with --version what it is", context->pcscd);
        return;
    }
    bool old = version.major < 1 || (version.major == 1 && version.minor < 9);
    found(finding, old ? STATE_LIMITED : STATE_OK,
          "%s, version %s, %s socket activation, %s polkit, with room for %u slots", context->pcscd,
          version.text, version.socket_activation ? "with" : "without", version.polkit,
          pcscd_version_slots(&version));
    if (old)
        remedy(finding, "cardrig was tried with 1.9 and newer");
}

static int print_protocol(void *arg)
{
    struct probe_protocol protocol;
    if (!probe_library_protocol(arg, &protocol))
        return EXIT_FAILED;
    printf("%d:%d", protocol.major, protocol.minor);
    return EXIT_OK;
}

static void check_library(struct doctor_context *context, struct finding *finding)
{
    char path[PATH_MAX];
    struct error error;
    struct trial trial;
    int major, minor;
    if (!probe_library(path, sizeof path, &error)) {
        found(finding, STATE_MISSING, "%s", error.text);
        remedy(finding, "install the package 'libpcsclite1' (Debian, Ubuntu), 'pcsc-lite-libs' (Fedora) or "
                        "'pcsc-lite' (Arch): programs use PC/SC through it");
        return;
    }
    trial_call(&trial, print_protocol, context->directory, VERSION_SECONDS);
    if (trial_passed(&trial) && sscanf(trial.said, "%d:%d", &major, &minor) == 2)
        found(finding, STATE_OK, "%s, which speaks protocol %s and sees up to %u slots", path, trial.said,
              major * 1000 + minor < PROTOCOL_2_5 ? PCSCD_SLOTS_BEFORE_2_5 : PCSCD_SLOTS);
    else
        found(finding, STATE_LIMITED, "%s, which connects to no service", path);
}

/* Checks whether the system's pcscd runs, without connecting to it: that would start it if systemd listens
 * for it. */
static void check_system(struct doctor_context *context, struct finding *finding)
{
    (void)context;
    long pid = 0;
    FILE *file = fopen("/run/pcscd/pcscd.pid", "re");
    if (file) {
        if (fscanf(file, "%ld", &pid) != 1)
            pid = 0;
        fclose(file);
    }
    if (pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM))
        found(finding, STATE_OK, "a pcscd runs (process %ld): 'cardrig run' leaves it alone", pid);
    else if (access("/run/pcscd/pcscd.comm", F_OK) == 0)
        found(finding, STATE_OK,
              "pcscd is started when a program asks for it: 'cardrig run' leaves it alone");
    else
        found(finding, STATE_OK, "no pcscd runs for the system, and 'cardrig run' needs none");
}

/*
 * The parts of cardrig
 */

static void check_driver(struct doctor_context *context, struct finding *finding)
{
    bool driver = paths_find_driver(context->driver, sizeof context->driver);
    bool redirect = paths_find_redirect(context->redirect, sizeof context->redirect);
    if (driver && redirect) {
        found(finding, STATE_OK, "%.500s, and what is preloaded into pcscd", context->driver);
        return;
    }
    found(finding, STATE_MISSING, "%s: not found", driver ? "libcardrig-redirect.so" : "libifdcardrig.so");
    remedy(finding, "build or install all of cardrig: program and libraries belong together");
}

static void check_directory(struct doctor_context *context, struct finding *finding)
{
    struct error error;
    const char *wanted = getenv("TMPDIR");
    context->lock = directory_new(context->directory, &error);
    if (context->lock < 0) {
        context->directory[0] = '\0';
        found(finding, STATE_MISSING, "%s", error.text);
        return;
    }
    int base = (int)(strrchr(context->directory, '/') - context->directory);
    const char *reason = wanted ? directory_why_not_in(wanted) : NULL;
    if (!reason) {
        found(finding, STATE_OK, "%.*s", base, context->directory);
        return;
    }
    found(finding, STATE_LIMITED, "%.*s, as TMPDIR, %.500s, does not do: %s", base, context->directory,
          wanted, reason);
    remedy(finding, "set TMPDIR to another directory, or leave it");
}

/*
 * The kernel
 */

static int enter_namespaces(void *arg)
{
    const struct pcscd pcscd = {.directory = arg};
    struct error error;
    if (!configure_make_directory(pcscd.directory, "run", &error) ||
        !configure_make_directory(pcscd.directory, "drivers", &error)) {
        printf("%s", error.text);
        return EXIT_FAILED;
    }
    const char *failed = isolate_by_namespaces(&pcscd);
    if (!failed)
        return EXIT_OK;
    printf("%s: %s", failed, strerror(errno));
    return EXIT_FAILED;
}

static void check_namespaces(struct doctor_context *context, struct finding *finding)
{
    struct trial trial;
    trial_call(&trial, enter_namespaces, context->directory, VERSION_SECONDS);
    if (trial_passed(&trial)) {
        found(finding, STATE_OK, "pcscd can have %s of its own",
              geteuid() == 0 ? "a mount namespace" : "user and mount namespaces");
        return;
    }
    found(finding, STATE_LIMITED, "not for us (%s): pcscd's paths are redirected by a library alone",
          one_line(trial.said));
    snprintf(finding->remedy, sizeof finding->remedy, "not needed; to have them: %s",
             namespaces_remedy(CLONE_NEWNS));
}

static int enter_private_network(void *arg)
{
    (void)arg;
    const char *failed = network_enter_private();
    if (!failed)
        return EXIT_OK;
    printf("%s: %s", failed, strerror(errno));
    return EXIT_FAILED;
}

static void check_network(struct doctor_context *context, struct finding *finding)
{
    (void)context;
    struct trial trial;
    trial_call(&trial, enter_private_network, NULL, VERSION_SECONDS);
    if (trial_passed(&trial)) {
        found(finding, STATE_OK, "a rig can have a private network, for cards whose port is fixed");
        return;
    }
    found(finding, STATE_LIMITED, "not for us (%s): 'cardrig run --private-network' does not work",
          one_line(trial.said));
    snprintf(finding->remedy, sizeof finding->remedy, "not needed else; remedy: %s", network_remedy());
}

static void *stay(void *gate)
{
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

static int start_threads(void *arg)
{
    (void)arg;
    static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    int count = 0;
    pthread_mutex_lock(&gate);
    while (count < THREADS_WANTED && pthread_create(&thread, NULL, stay, &gate) == 0)
        count++;
    printf("%d", count);
    return count == THREADS_WANTED ? EXIT_OK : EXIT_FAILED;
}

static void check_limits(struct doctor_context *context, struct finding *finding)
{
    (void)context;
    struct rlimit files = {0}, size = {0};
    struct trial threads;
    getrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_FSIZE, &size);
    trial_call(&threads, start_threads, NULL, VERSION_SECONDS);
    if (files.rlim_cur < FILES_WANTED) {
        found(finding, STATE_LIMITED, "%llu open files: too few for many readers",
              (unsigned long long)files.rlim_cur);
        remedy(finding, "ulimit -n 1024");
    } else if (size.rlim_cur < FILE_WANTED) {
        found(finding, STATE_LIMITED, "files of %llu bytes: too small for a log",
              (unsigned long long)size.rlim_cur);
        remedy(finding, "ulimit -f unlimited");
    } else if (!trial_passed(&threads)) {
        found(finding, STATE_LIMITED, "%s more threads: too few for many readers", threads.said);
        remedy(finding, "a higher limit on processes: ulimit -u, or pids.max of the container");
    } else
        found(finding, STATE_OK, "enough open files, threads, and bytes in a file");
}

/*
 * Rigs
 */

/* Runs a rig with this reader, and in it a program that reads the card. */
static void try_rig(const struct doctor_context *context, const char *reader, struct trial *trial)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    const char *const arguments[] = {self, "run", "--pcscd", context->pcscd,   "--reader", reader,
                                     "--", self,  "doctor",  "--" CARD_OPTION, NULL};
    trial_run(trial, arguments, TRIAL_SECONDS);
}

static void tried(struct finding *finding, struct trial *trial, enum finding_state otherwise)
{
    const char *answer = strstr(trial->said, "ATR ");
    if (trial_passed(trial) && answer)
        found(finding, STATE_OK, "a program gets to the card in %ld ms: %.*s", trial->milliseconds,
              (int)strcspn(answer, "\n"), answer);
    else if (trial->ended)
        found(finding, otherwise, "%s", one_line(trial->said));
    else
        found(finding, otherwise, "no answer within %d s", TRIAL_SECONDS);
}

static void check_usb_readers(struct doctor_context *context, struct finding *finding)
{
    char path[PATH_MAX];
    struct error error;
    struct trial trial;
    if (!usb_find_umockdev(path, sizeof path, &error))
        found(finding, STATE_LIMITED, "%s", error.text);
    else if (context->missing)
        found(finding, STATE_OK, "%s", path);
    else {
        try_rig(context, "doctor,usb", &trial);
        tried(finding, &trial, STATE_LIMITED);
    }
}

static void check_rig(struct doctor_context *context, struct finding *finding)
{
    struct trial trial;
    if (context->missing)
        found(finding, STATE_MISSING, "not tried: something else is missing");
    else {
        try_rig(context, "doctor", &trial);
        tried(finding, &trial, STATE_MISSING);
        if (finding->state == STATE_MISSING)
            remedy(finding, "cardrig run --pcscd-log FILE -- true writes down what pcscd says");
    }
}

/*
 * The command
 */

static const struct {
    const char *name;
    void (*function)(struct doctor_context *context, struct finding *finding);
} checks[] = {
    {"pcscd", check_pcscd}, /* the first four are what the trial rigs need */
    {"driver", check_driver},
    {"directory", check_directory},
    {"libpcsclite", check_library},
    {"namespaces", check_namespaces},
    {"network", check_network},
    {"limits", check_limits},
    {"rig", check_rig},
    {"USB readers", check_usb_readers},
    {"system", check_system},
};

static const char *const states[] = {"ok", "limited", "missing"};

static void print_finding(const char *name, const struct finding *finding)
{
    printf("%-8s %-12s %s\n", states[finding->state], name, finding->found);
    if (finding->remedy[0])
        printf("%-8s %-12s -> %s\n", "", "", finding->remedy);
    fflush(stdout); /* the next check may take a while */
}

/* Runs all checks. Appends the findings to the array json, or prints them if json is NULL. Returns whether
 * nothing is missing. */
static bool examine(struct doctor_context *context, json_t *json)
{
    bool ok = true;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        struct finding finding = {.state = STATE_OK};
        checks[i].function(context, &finding);
        if (finding.state == STATE_MISSING)
            ok = false;
        context->missing = !ok;
        if (json)
            json_array_append_new(json, json_pack("{s:s, s:s, s:s, s:s}", "name", checks[i].name, "state",
                                                  states[finding.state], "found", finding.found, "remedy",
                                                  finding.remedy));
        else
            print_finding(checks[i].name, &finding);
    }
    return ok;
}

static int run_checks(struct doctor_context *context, bool as_json)
{
    json_t *findings = as_json ? json_array() : NULL;
    bool ok = examine(context, findings);
    if (context->directory[0]) {
        directory_remove(context->directory);
        close(context->lock);
    }
    if (!as_json) {
        puts(ok ? "'cardrig run' works here" : "'cardrig run' does not work here");
        return ok ? EXIT_OK : EXIT_FAILED;
    }
    json_t *all = json_pack("{s:b, s:o}", "ok", ok, "checks", findings);
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
    return ok ? EXIT_OK : EXIT_FAILED;
}

void doctor_hint(void)
{
    if (!getenv(TRIED_BY_DOCTOR))
        rig_log("'cardrig doctor' says what this machine lacks");
}

enum { PCSCD = OPTION_WITHOUT_LETTER, CARD };

static int doctor_main(int argc, char **argv)
{
    static struct doctor_context context;
    bool json = false;
    context.wanted_pcscd = getenv("CARDRIG_PCSCD");
    for (int option; (option = options_next(&doctor_subcommand, argc, argv)) != -1;)
        switch (option) {
        case PCSCD:
            context.wanted_pcscd = optarg;
            break;
        case 'j':
            json = true;
            break;
        case CARD:
            return probe_card();
        default:
            return option == 'h' ? EXIT_OK : EXIT_USAGE;
        }
    if (optind < argc) {
        fprintf(stderr, "cardrig doctor: takes no arguments\n");
        return EXIT_USAGE;
    }
    setenv(TRIED_BY_DOCTOR, "yes", 1);
    return run_checks(&context, json);
}

static const struct option_entry options[] = {
    {PCSCD, "pcscd", "PATH", ":files", "the pcscd to run"},
    {'j', "json", NULL, NULL, "as JSON, for programs"},
    {CARD, CARD_OPTION, NULL, NULL, NULL},
    {0},
};

const struct subcommand doctor_subcommand = {
    .name = "doctor",
    .summary = "check what this machine has and lacks for cardrig run",
    .function = doctor_main,
    .usage = "[OPTION]...",
    .description = "Say what this machine has and lacks for 'cardrig run', with the remedy for what\n"
                   "is missing. Everything is tried out: a rig with a reader, one with a reader on\n"
                   "USB, namespaces, threads. Nothing is changed, and the system's pcscd is left\n"
                   "alone. Exits with 0 if 'cardrig run' works here, with 1 if it does not.\n",
    .options = {options},
};
