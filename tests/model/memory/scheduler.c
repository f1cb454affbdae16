/* SPDX-License-Identifier: BSD-3-Clause */
#undef _FORTIFY_SOURCE /* its longjmp() does not allow another stack */
#include "scheduler.h"

#include "random64.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

#define FIBERS_MAX   64
#define STACK_SIZE   (512 * 1024)
#define TIME_MAX_US  (UINT64_C(3600) * 1000000) /* of a run: no sequence of actions takes that long */
#define POINTS_MAX   20000000u                  /* of a run: a loop that does not wait ends here */
#define POINT_US_MAX 40                         /* time that may pass at a point */

struct fiber {
    fiber_id id; /* 0: free */
    const char *name;
    fiber_function *run;
    void *argument, *local;
    unsigned owner;
    const void *waits_on; /* null if it can run */
    uint64_t until_us;
    bool woken;
    void *stack; /* kept for the next fiber */
    ucontext_t context;
    jmp_buf jump;
    bool begun;
#ifdef SANITIZED
    void *fake_stack;
#endif
};

/* One run at a time, in one thread. */
static struct {
    struct fiber fibers[FIBERS_MAX];
    struct fiber *now; /* null: scheduler_run() itself */
    struct fiber root; /* the context of scheduler_run() */
    fiber_id last_id;  /* counts through all runs */
    uint64_t clock_us, random;
    unsigned points;
    const char *failure;
    char text[1024];
} scheduler;

uint64_t scheduler_now_us(void)
{
    return scheduler.clock_us;
}

unsigned scheduler_random(unsigned below)
{
    return (unsigned)((random64(&scheduler.random) >> 32) * below >> 32);
}

bool scheduler_once_in(unsigned times)
{
    return scheduler_random(times) == 0;
}

/*
 * Switching
 */

static void enter_fiber(void);

#ifdef SANITIZED

static void after_switch(struct fiber *self)
{
    __sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
}

static const void *root_stack;
static size_t root_stack_size;

static void switch_context(struct fiber *from, struct fiber *to, bool ends)
{
    bool is_root = to == &scheduler.root;
    __sanitizer_start_switch_fiber(ends ? NULL : &from->fake_stack, is_root ? root_stack : to->stack,
                                   is_root ? root_stack_size : STACK_SIZE);
    swapcontext(&from->context, &to->context);
    after_switch(from);
}

#else

static void switch_context(struct fiber *from, struct fiber *to, bool ends)
{
    (void)ends;
    if (_setjmp(from->jump) != 0)
        return;
    if (to->begun)
        _longjmp(to->jump, 1);
    to->begun = true;
    setcontext(&to->context); /* it saves and sets the mask of signals, so it is slow */
}

#endif

static void switch_to(struct fiber *to, bool ends)
{
    struct fiber *from = scheduler.now ? scheduler.now : &scheduler.root;
    if (from == to)
        return;
    scheduler.now = to == &scheduler.root ? NULL : to;
    switch_context(from, to, ends);
}

static bool can_run(const struct fiber *fiber)
{
    return fiber->id != 0 && (!fiber->waits_on || fiber->woken || fiber->until_us <= scheduler.clock_us);
}

static struct fiber *choose(void)
{
    struct fiber *ready[FIBERS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < FIBERS_MAX; i++)
        if (can_run(&scheduler.fibers[i]))
            ready[count++] = &scheduler.fibers[i];
    return count > 0 ? ready[count > 1 ? scheduler_random(count) : 0] : NULL;
}

/* Returns false if no fiber waits for a time. */
static bool advance_clock(void)
{
    uint64_t next = FIBER_FOREVER;
    for (unsigned i = 0; i < FIBERS_MAX; i++)
        if (scheduler.fibers[i].id != 0 && scheduler.fibers[i].until_us < next)
            next = scheduler.fibers[i].until_us;
    if (next == FIBER_FOREVER)
        return false;
    scheduler.clock_us = next;
    return true;
}

static void describe_deadlock(void)
{
    size_t length =
        (size_t)snprintf(scheduler.text, sizeof scheduler.text, "all threads wait for each other:");
    for (unsigned i = 0; i < FIBERS_MAX && length < sizeof scheduler.text; i++)
        if (scheduler.fibers[i].id != 0)
            length += (size_t)snprintf(scheduler.text + length, sizeof scheduler.text - length, " %s",
                                       scheduler.fibers[i].name);
    scheduler.failure = scheduler.text;
}

static void run_another(bool ends)
{
    struct fiber *next = NULL;
    if (++scheduler.points > POINTS_MAX || scheduler.clock_us > TIME_MAX_US)
        scheduler.failure = "it does not end";
    while (!scheduler.failure && !(next = choose()))
        if (!advance_clock())
            describe_deadlock();
    switch_to(next ? next : &scheduler.root, ends);
}

/*
 * Fibers
 */

static struct fiber *find(fiber_id id)
{
    for (unsigned i = 0; i < FIBERS_MAX; i++)
        if (id != 0 && scheduler.fibers[i].id == id)
            return &scheduler.fibers[i];
    return NULL;
}

static void enter_fiber(void)
{
#ifdef SANITIZED
    after_switch(scheduler.now);
#endif
    struct fiber *self = scheduler.now;
    self->run(self->argument);
    fiber_wake(self);
    self->id = 0;
    run_another(true);
    abort();
}

static void *new_stack(void)
{
    void *stack =
        mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) {
        perror("a stack");
        exit(1);
    }
    return stack;
}

fiber_id fiber_start(const char *name, fiber_function *run, void *argument)
{
    struct fiber *fiber = scheduler.fibers;
    while (fiber < scheduler.fibers + FIBERS_MAX && (fiber->id != 0 || fiber == scheduler.now))
        fiber++;
    if (fiber == scheduler.fibers + FIBERS_MAX)
        return 0;
    void *stack = fiber->stack ? fiber->stack : new_stack();
    *fiber = (struct fiber){.id = ++scheduler.last_id,
                            .name = name,
                            .run = run,
                            .argument = argument,
                            .owner = scheduler.now ? scheduler.now->owner : 0,
                            .until_us = FIBER_FOREVER,
                            .stack = stack};
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = stack;
    fiber->context.uc_stack.ss_size = STACK_SIZE;
    makecontext(&fiber->context, enter_fiber, 0);
    return fiber->id;
}

fiber_id fiber_self(void)
{
    return scheduler.now ? scheduler.now->id : 0;
}

bool fiber_has_ended(fiber_id id)
{
    return !find(id);
}

void fiber_discard(fiber_id id)
{
    struct fiber *fiber = find(id);
    if (!fiber)
        return;
    fiber->id = 0;
    fiber_wake(fiber);
}

unsigned fiber_count(const char *name)
{
    unsigned count = 0;
    for (unsigned i = 0; i < FIBERS_MAX; i++)
        count += scheduler.fibers[i].id != 0 && strcmp(scheduler.fibers[i].name, name) == 0;
    return count;
}

unsigned fiber_count_of_owner(unsigned owner)
{
    unsigned count = 0;
    for (unsigned i = 0; i < FIBERS_MAX; i++)
        count += scheduler.fibers[i].id != 0 && scheduler.fibers[i].owner == owner;
    return count;
}

void fiber_set_owner(unsigned owner)
{
    scheduler.now->owner = owner;
}

unsigned fiber_owner(void)
{
    return scheduler.now->owner;
}

void fiber_set_local(void *local)
{
    scheduler.now->local = local;
}

void *fiber_local(void)
{
    return scheduler.now->local;
}

void fiber_point(void)
{
    unsigned number = scheduler_random(16);
    if (number < 4)
        scheduler.clock_us += scheduler_random(POINT_US_MAX);
    if (number % 4 == 0 || scheduler.points % 1024 == 1023)
        run_another(false);
    else
        scheduler.points++;
}

bool fiber_wait(const void *on, uint64_t until_us)
{
    struct fiber *self = scheduler.now;
    self->waits_on = on;
    self->until_us = until_us;
    self->woken = false;
    run_another(false);
    self->waits_on = NULL;
    self->until_us = FIBER_FOREVER;
    return self->woken;
}

void fiber_wake(const void *on)
{
    for (unsigned i = 0; i < FIBERS_MAX; i++)
        if (scheduler.fibers[i].id != 0 && scheduler.fibers[i].waits_on == on)
            scheduler.fibers[i].woken = true;
}

void fiber_sleep(uint64_t us)
{
    uint64_t until = scheduler.clock_us + us;
    while (scheduler.clock_us < until)
        fiber_wait(&scheduler.clock_us, until);
}

void fiber_join(fiber_id id)
{
    const struct fiber *fiber;
    while ((fiber = find(id)))
        fiber_wait(fiber, FIBER_FOREVER);
}

/*
 * Runs
 */

struct first {
    fiber_function *run;
    void *argument;
    bool done;
};

static void run_first(void *argument)
{
    struct first *first = argument;
    first->run(first->argument);
    first->done = true;
    switch_to(&scheduler.root, false);
}

const char *scheduler_run(uint64_t seed, fiber_function *run, void *argument)
{
    struct first first = {.run = run, .argument = argument};
    scheduler.random = seed;
    scheduler.clock_us = 1000000;
    scheduler.points = 0;
    scheduler.failure = NULL;
    scheduler.root.begun = true;
#ifdef SANITIZED
    if (!root_stack) { /* unknown until the first fiber asks for it */
        pthread_attr_t attributes;
        void *stack;
        size_t size;
        pthread_getattr_np(pthread_self(), &attributes);
        pthread_attr_getstack(&attributes, &stack, &size);
        pthread_attr_destroy(&attributes);
        root_stack = stack;
        root_stack_size = size;
    }
#endif
    fiber_start("the model", run_first, &first);
    switch_to(&scheduler.fibers[0], false);
    for (unsigned i = 0; i < FIBERS_MAX; i++)
        scheduler.fibers[i].id = 0;
    return first.done ? NULL : scheduler.failure;
}
