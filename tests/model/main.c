/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model [OPTION]...: compares libscardmanage with a model in random sequences of actions. Starts several
 * rigs, and runs itself in each. model.h explains the test.
 */
#include "board.h"
#include "process.h"
#include "sequence.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RIGS_MAX 32

static const char help[] =
    "Usage: model [OPTION]...\n"
    "Compare libscardmanage with a model, in random sequences of actions: two users of the library and a\n"
    "client of PC/SC use a rig in which cards, the reader and pcscd come and go. A sequence that fails is\n"
    "made as short as possible, and printed.\n\n"
    "  --steps N       number of actions in all; sequences that have begun are finished (100000)\n"
    "  --seed N        seed of the first sequence; the next ones have N + 1, N + 2, ... (random)\n"
    "  --length N      number of actions of a sequence, up to 200 (50)\n"
    "  --rigs N        number of rigs side by side (six for each processor)\n"
    "  --actions LIST  run these actions, with semicolons or newlines between them; @FILE reads them from a\n"
    "                  file\n"
    "  --list          print the names of all actions\n"
    "  --quiet         do not print tables of what was covered\n"
    "  -h, --help      show this\n\n"
    "Exit status: 0 if all was as the model says, 1 if not, 2 for wrong options.\n";

struct model_plan {
    uint64_t steps, seed, length, rigs;
    const char *actions; /* null for random actions */
    const char *share;   /* in a rig, the path of the file with struct model_shared; otherwise null */
    bool quiet;
};

/* Shared by all rigs of a run. */
struct model_shared {
    struct coverage coverage;
    _Atomic uint64_t next; /* the number of the next sequence */
};

static struct model_shared *map_shared(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct model_shared)) < 0) {
        perror(path);
        exit(1);
    }
    struct model_shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared == MAP_FAILED) {
        perror(path);
        exit(1);
    }
    return shared;
}

/*
 * In a rig
 */

/* If a wrong lock blocks a PC/SC call of C forever, only killing pcscd ends the call. */
static void *run_watchdog(void *argument)
{
    struct model *model = argument;
    for (;;) {
        board_sleep(200);
        int64_t begun = model->action_begun;
        if (begun == 0)
            return NULL;
        if (board_now() - begun > 3 * CALL_MS && !model->hung) {
            model->hung = true;
            kill(model->rig.pcscd, SIGKILL);
        }
    }
}

static bool check_for_leaks(const struct model *model)
{
    struct process now;
    if (model_wait_until_idle(model, &now))
        return true;
    printf("model: FAILED: %u descriptors and %u threads after a sequence, %u and %u before\n",
           now.descriptors, now.threads, model->idle.descriptors, model->idle.threads);
    return false;
}

static void print_failure(struct model *model, struct sequence *sequence, const struct model_plan *plan,
                          uint64_t seed)
{
    struct sequence whole = *sequence;
    printf("model: FAILED: %s\n", model->failure);
    if (!plan->actions)
        printf("model: --seed %" PRIu64 " --length %" PRIu64 " --steps 1 repeats it: %u actions\n", seed,
               plan->length, sequence->count);
    fflush(stdout);
    if (!sequence_shrink(model, sequence)) {
        printf("model: it does not fail each time; the actions were\n");
        *sequence = whole;
    } else {
        printf("model: these are enough (give them to --actions):\n");
    }
    sequence_print(sequence, stdout);
    printf("model: %s\n", model->failure[0] ? model->failure : "which succeeds");
    fflush(stdout);
}

static bool run_one(struct model *model, struct sequence *sequence, const struct model_plan *plan,
                    uint64_t seed)
{
    if (sequence_run(model, sequence, plan->actions && !plan->quiet ? stdout : NULL))
        return true;
    if (model->coverage->failures++ == 0 || plan->actions)
        print_failure(model, sequence, plan, seed);
    return false;
}

static bool run_given(struct model *model, const struct model_plan *plan)
{
    struct sequence sequence;
    char error[256];
    if (sequence_read(&sequence, plan->actions, error, sizeof error))
        return run_one(model, &sequence, plan, 0);
    printf("model: %s\n", error);
    return false;
}

static bool run_random(struct model *model, const struct model_plan *plan, struct model_shared *shared)
{
    while (shared->coverage.steps < plan->steps && shared->coverage.failures == 0) {
        uint64_t seed = plan->seed + shared->next++;
        struct sequence sequence;
        sequence_make(&sequence, seed, (unsigned)plan->length);
        if (!run_one(model, &sequence, plan, seed))
            return false;
        if (!check_for_leaks(model)) {
            printf("model: --seed %" PRIu64 " --length %" PRIu64 " --steps 1 repeats it\n", seed,
                   plan->length);
            shared->coverage.failures++;
            return false;
        }
    }
    return true;
}

static int run_in_rig(const struct model_plan *plan)
{
    static struct model model; /* static, as the watchdog also reads it */
    struct model_shared *shared = map_shared(plan->share);
    struct sequence nothing = {0};
    pthread_t watchdog;
    model.coverage = &shared->coverage;
    model.action_begun = board_now();
    model.world = (struct world){.plugged = true, .incarnation = 1};
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", plan->share);
    const char *cards = dirname(folder);
    if (!rig_open(&model.rig, cards) || !rig_open(&model.helper_rig, cards)) {
        printf("model: %s%s\n", model.rig.error, model.helper_rig.error);
        return 1;
    }
    if (pthread_create(&watchdog, NULL, run_watchdog, &model) != 0 || !rig_unplug(&model.rig, RIG_OTHER, 1) ||
        !rig_wait_for_reader(&model.rig, 0)) {
        printf("model: %s\n", model.rig.error);
        return 1;
    }
    model_observe(&model, NOBODY);
    if (model.rig_state.present)
        model.world.card = &cards_kinds[CARD_RED];
    bool ok = run_one(&model, &nothing, plan, 0);
    model.idle = (struct process){.pid = getpid()};
    process_look(&model.idle);
    ok = ok && (plan->actions ? run_given(&model, plan) && check_for_leaks(&model)
                              : run_random(&model, plan, shared));
    model_recover(&model);
    model.action_begun = 0;
    pthread_join(watchdog, NULL);
    rig_close(&model.rig);
    rig_close(&model.helper_rig);
    return ok ? 0 : 1;
}

/* B's handle may be closed while an abandoned call still uses it. libpcsclite then reads the name
 * of the reader from freed memory. */
__attribute__((visibility("default"))) const char *__asan_default_suppressions(void);
const char *__asan_default_suppressions(void)
{
    return "interceptor_via_lib:libpcsclite.so\n";
}

/*
 * All rigs
 */

static void exec_rig(const char *folder, const char *log, const struct model_plan *plan)
{
    char cardrig[PATH_MAX], pcscd[PATH_MAX], self[PATH_MAX], steps[24], seed[24], length[24];
    snprintf(cardrig, sizeof cardrig, "%s/cardrig", folder);
    snprintf(pcscd, sizeof pcscd, "%s/model_pcscd", folder);
    snprintf(self, sizeof self, "%s/model", folder);
    snprintf(steps, sizeof steps, "%" PRIu64, plan->steps);
    snprintf(seed, sizeof seed, "%" PRIu64, plan->seed);
    snprintf(length, sizeof length, "%" PRIu64, plan->length);
    const char *arguments[] = {cardrig,       "run",
                               "--pcscd",     pcscd,
                               "--reader",    RIG_KEY ",usb",
                               "--reader",    RIG_OTHER ",usb",
                               "--empty",     "--",
                               self,          "--in-rig",
                               plan->share,   "--steps",
                               steps,         "--seed",
                               seed,          "--length",
                               length,        plan->actions ? "--actions" : NULL,
                               plan->actions, plan->quiet ? "--quiet" : NULL,
                               NULL};
    /* stderr gets a line each time that a card does not answer */
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0)
        dup2(fd, STDERR_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    execv(cardrig, (char *const *)(uintptr_t)arguments);
    perror(cardrig);
    _exit(1);
}

static void show_progress(struct coverage *coverage, int64_t ms, const struct model_plan *plan)
{
    bool terminal = isatty(STDERR_FILENO);
    fprintf(stderr, "%smodel: %" PRId64 " s: %" PRIu64 " of %" PRIu64 " steps, %" PRIu64 " sequences%s",
            terminal ? "\r" : "", ms / 1000, coverage->steps, plan->steps, coverage->sequences,
            terminal ? "  " : "\n");
}

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    interrupted = number;
}

static bool wait_for_rigs(uint64_t count, struct coverage *coverage, const struct model_plan *plan)
{
    int64_t begun = board_now(), shown = begun, interval = isatty(STDERR_FILENO) ? 1000 : 10000;
    bool ok = true;
    while (count > 0) {
        int status;
        if (interrupted)
            coverage->failures++; /* so the other rigs stop, too */
        if (waitpid(-1, &status, WNOHANG) > 0) {
            ok = ok && status == 0;
            count--;
        } else if (board_now() - shown >= interval && !plan->actions) {
            shown = board_now();
            show_progress(coverage, shown - begun, plan);
        } else {
            board_sleep(20);
        }
    }
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    printf("%" PRIu64 " steps in %" PRIu64 " sequences, %.1f s; pcscd died %" PRIu64
           " times by its own fault\n",
           coverage->steps, coverage->sequences, (double)(board_now() - begun) / 1000, coverage->deaths);
    return ok && coverage->failures == 0;
}

static void print_file(const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        fputs(line, stderr);
    if (file)
        fclose(file);
}

static int run_rigs(struct model_plan *plan)
{
    char folder[PATH_MAX], path[PATH_MAX + 8], log[PATH_MAX + 8], self[PATH_MAX] = "";
    const char *names[COVERAGE_ACTIONS], *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/model-XXXXXX", temporary && *temporary ? temporary : "/tmp");
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0 || !mkdtemp(folder) || !cards_write(folder)) {
        perror(folder);
        return 1;
    }
    snprintf(path, sizeof path, "%s/shared", folder);
    snprintf(log, sizeof log, "%s/log", folder);
    struct model_shared *shared = map_shared(path);
    plan->share = path;
    if (!plan->actions)
        printf("model: seed %" PRIu64 ", %" PRIu64 " rigs\n", plan->seed, plan->rigs);
    fflush(stdout);
    const char *programs = dirname(self);
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    for (uint64_t i = 0; i < plan->rigs; i++)
        if (fork() == 0)
            exec_rig(programs, log, plan);
    bool ok = wait_for_rigs(plan->rigs, &shared->coverage, plan);
    if (!ok && shared->coverage.failures == 0) /* the failure is in a rig, not in the library */
        print_file(log);
    for (unsigned i = 0; i < action_count; i++)
        names[i] = actions[i].name;
    if (!plan->quiet && !plan->actions)
        coverage_print(&shared->coverage, stdout, names, action_count);
    unlink(path);
    unlink(log);
    cards_remove(folder);
    rmdir(folder);
    return ok ? 0 : 1;
}

/*
 * Options
 */

static bool parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
    char *end;
    *number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *number >= least && *number <= most;
}

static const char *read_file(const char *path)
{
    static char text[65536];
    FILE *file = fopen(path, "re");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[length] = '\0';
    if (file)
        fclose(file);
    else
        perror(path);
    return file ? text : NULL;
}

static int parse_options(int argc, char **argv, struct model_plan *plan)
{
    enum { STEPS = 256, SEED, LENGTH, RIGS, ACTIONS, LIST, QUIET, IN_RIG };
    static const struct option options[] = {{"steps", required_argument, NULL, STEPS},
                                            {"seed", required_argument, NULL, SEED},
                                            {"length", required_argument, NULL, LENGTH},
                                            {"rigs", required_argument, NULL, RIGS},
                                            {"actions", required_argument, NULL, ACTIONS},
                                            {"list", no_argument, NULL, LIST},
                                            {"quiet", no_argument, NULL, QUIET},
                                            {"in-rig", required_argument, NULL, IN_RIG},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    bool ok = true;
    for (int option; ok && (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (option) {
        case STEPS:
            ok = parse_number(optarg, 1, UINT64_MAX, &plan->steps);
            break;
        case SEED:
            ok = parse_number(optarg, 0, UINT64_MAX, &plan->seed);
            break;
        case LENGTH:
            ok = parse_number(optarg, 1, SEQUENCE_MAX, &plan->length);
            break;
        case RIGS:
            ok = parse_number(optarg, 1, RIGS_MAX, &plan->rigs);
            break;
        case ACTIONS:
            plan->actions = optarg[0] == '@' ? read_file(optarg + 1) : optarg;
            ok = plan->actions != NULL;
            break;
        case LIST:
            for (unsigned i = 0; i < action_count; i++)
                puts(actions[i].name);
            return 0;
        case QUIET:
            plan->quiet = true;
            break;
        case IN_RIG:
            plan->share = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            ok = false;
        }
    }
    if (ok && optind == argc)
        return -1;
    fprintf(stderr, "'model --help' lists the options\n");
    return 2;
}

int main(int argc, char **argv)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct model_plan plan = {.steps = 100000,
                              .seed = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000,
                              .length = 50,
                              .rigs = processors > 0 ? 6 * (uint64_t)processors : 6}; /* rigs mostly wait */
    if (plan.rigs > RIGS_MAX)
        plan.rigs = RIGS_MAX;
    int status = parse_options(argc, argv, &plan);
    if (status >= 0)
        return status;
    if (plan.share)
        return run_in_rig(&plan);
    if (plan.actions)
        plan.rigs = 1;
    return run_rigs(&plan);
}
