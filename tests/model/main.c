/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model [OPTION]..., and model_memory: compare libscardmanage with a model in random sequences of actions, in
 * several processes. model.h explains the test.
 */
#include "action.h"
#include "plan.h"
#include "sequence.h"
#include "wall_clock.h"

#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RIGS_MAX 32

static const char help[] =
    "Usage: model [OPTION]...\n"
    "Compare libscardmanage with a model, in random sequences of actions: two users of the library and a\n"
    "client of PC/SC use %s.\n"
    "A sequence that fails is made as short as possible, and printed.\n\n"
    "  --steps N       number of actions in all; sequences that have begun are finished (100000)\n"
    "  --seed N        seed of the first sequence; the next ones have N + 1, N + 2, ... (random)\n"
    "  --length N      number of actions of a sequence, up to 200 (50)\n"
    "  --rigs N        number of rigs, or of processes, side by side\n"
    "  --storms        in memory: only storms, in which anything can happen at any point of a call\n"
    "  --no-storms     in memory: only actions, one after the other. By default both, in turns\n"
    "  --actions LIST  run these actions, with semicolons or newlines between them; @FILE reads them from a\n"
    "                  file\n"
    "  --list          print the names of all actions\n"
    "  --quiet         do not print tables of what was covered\n"
    "  -h, --help      show this\n\n"
    "Exit status: 0 if all was as the model says, 1 if not, 2 for wrong options.\n";

/*
 * All processes
 */

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
    int64_t begun = wall_clock_ms(), shown = begun, interval = isatty(STDERR_FILENO) ? 1000 : 10000;
    bool ok = true;
    while (count > 0) {
        int status;
        if (interrupted)
            coverage->failures++; /* so the other rigs stop, too */
        if (waitpid(-1, &status, WNOHANG) > 0) {
            ok = ok && status == 0;
            count--;
        } else if (wall_clock_ms() - shown >= interval && !plan->actions) {
            shown = wall_clock_ms();
            show_progress(coverage, shown - begun, plan);
        } else {
            wall_clock_sleep(20);
        }
    }
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    printf("%" PRIu64 " steps in %" PRIu64 " sequences, %.1f s; pcscd died %" PRIu64
           " times by its own fault\n",
           coverage->steps, coverage->sequences, (double)(wall_clock_ms() - begun) / 1000, coverage->deaths);
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
    struct model_shared *shared = plan_map_shared(path);
    plan->share = path;
    if (!plan->actions)
        printf("model: seed %" PRIu64 ", %" PRIu64 " rigs\n", plan->seed, plan->rigs);
    fflush(stdout);
    const char *programs = dirname(self);
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    for (uint64_t i = 0; i < plan->rigs; i++)
        if (fork() == 0)
            plan_run_worker(plan, programs, log);
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
    enum { STEPS = 256, SEED, LENGTH, RIGS, ACTIONS, STORMS, NO_STORMS, LIST, QUIET, IN_RIG };
    static const struct option options[] = {{"steps", required_argument, NULL, STEPS},
                                            {"seed", required_argument, NULL, SEED},
                                            {"length", required_argument, NULL, LENGTH},
                                            {"rigs", required_argument, NULL, RIGS},
                                            {"actions", required_argument, NULL, ACTIONS},
                                            {"storms", no_argument, NULL, STORMS},
                                            {"no-storms", no_argument, NULL, NO_STORMS},
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
        case STORMS:
            plan->only_storms = true;
            break;
        case NO_STORMS:
            plan->no_storms = true;
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
            plan->in_rig = true;
            break;
        case 'h':
            printf(help, plan_where);
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
                              .rigs = plan_default_rigs(processors > 0 ? (unsigned)processors : 1)};
    if (plan.rigs > RIGS_MAX)
        plan.rigs = RIGS_MAX;
    int status = parse_options(argc, argv, &plan);
    if (status >= 0)
        return status;
    if (plan.in_rig)
        return plan_run_in_rig(&plan);
    if (plan.actions)
        plan.rigs = 1;
    return run_rigs(&plan);
}
