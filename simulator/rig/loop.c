/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/loop.h"

#include "link/busy_poll.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct loop_source {
    loop_callback *callback; /* NULL: the descriptor is not watched */
    void *arg;
    uint32_t generation; /* distinguishes a descriptor from an earlier one with the same number */
};

struct loop {
    int epoll_fd;
    int post_fd; /* an eventfd that can be read when calls are posted */
    pthread_mutex_t lock;
    struct loop_call *first, **end; /* the posted calls; the list and its calls are under the lock */
    bool stopped;
    uint32_t generation;
    struct loop_source *sources; /* indexed by descriptor */
    int source_count;
};

static struct loop_call *take_call(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct loop_call *call = loop->first;
    if (call) {
        loop->first = call->next;
        call->posted = false;
        if (!loop->first)
            loop->end = &loop->first;
    }
    pthread_mutex_unlock(&loop->lock);
    return call;
}

void loop_make_posted_calls(struct loop *loop)
{
    struct loop_call *call;
    while ((call = take_call(loop)))
        call->function(call->arg);
}

static void on_post(void *arg, uint32_t events)
{
    struct loop *loop = arg;
    uint64_t count;
    (void)events;
    if (read(loop->post_fd, &count, sizeof count) == sizeof count)
        loop_make_posted_calls(loop);
}

void loop_post(struct loop *loop, struct loop_call *call)
{
    uint64_t one = 1;
    pthread_mutex_lock(&loop->lock);
    bool first = !loop->first;
    if (!call->posted) {
        call->posted = true;
        call->next = NULL;
        *loop->end = call;
        loop->end = &call->next;
    }
    pthread_mutex_unlock(&loop->lock);
    if (!first)
        return; /* an earlier call has woken the loop */
    ssize_t written = write(loop->post_fd, &one, sizeof one);
    (void)written; /* fails only if the counter is full, and then the loop wakes anyway */
}

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    loop->end = &loop->first;
    pthread_mutex_init(&loop->lock, NULL);
    loop->post_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->post_fd >= 0 && loop->epoll_fd >= 0 && loop_add(loop, loop->post_fd, EPOLLIN, on_post, loop))
        return loop;
    loop_free(loop);
    return NULL;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    if (loop->post_fd >= 0)
        close(loop->post_fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop->sources);
    free(loop);
}

static uint64_t event_key(const struct loop *loop, int fd)
{
    return (uint64_t)loop->sources[fd].generation << 32 | (uint32_t)fd;
}

bool loop_add(struct loop *loop, int fd, uint32_t events, loop_callback *callback, void *arg)
{
    if (fd >= loop->source_count) {
        int count = fd + 16;
        struct loop_source *sources = realloc(loop->sources, (size_t)count * sizeof *sources);
        if (!sources)
            return false;
        for (int i = loop->source_count; i < count; i++)
            sources[i] = (struct loop_source){0};
        loop->sources = sources;
        loop->source_count = count;
    }
    loop->sources[fd] = (struct loop_source){callback, arg, ++loop->generation};
    struct epoll_event event = {.events = events, .data.u64 = event_key(loop, fd)};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        loop->sources[fd].callback = NULL;
        return false;
    }
    return true;
}

bool loop_change(struct loop *loop, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = event_key(loop, fd)};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0;
}

void loop_remove(struct loop *loop, int fd)
{
    if (fd >= loop->source_count)
        return;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    loop->sources[fd].callback = NULL;
}

bool loop_run(struct loop *loop)
{
    int64_t awake_until = busy_poll_begin();
    while (!loop->stopped) {
        struct epoll_event events[32];
        int count = epoll_wait(loop->epoll_fd, events, sizeof events / sizeof events[0],
                               busy_poll(awake_until) ? 0 : -1);
        if (count == 0)
            continue;
        if (count < 0 && errno != EINTR)
            return false;
        for (int i = 0; i < count; i++) {
            int fd = (int)(events[i].data.u64 & 0xFFFFFFFF);
            /* an earlier callback of this round may have removed the descriptor, or reused its number */
            const struct loop_source *source = &loop->sources[fd];
            if (source->callback && event_key(loop, fd) == events[i].data.u64)
                source->callback(source->arg, events[i].events);
        }
        awake_until = busy_poll_begin(); /* the next request often follows soon */
    }
    loop->stopped = false;
    return true;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
