#include "rig/loop.h"

#include "link/linger.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct source {
    loop_callback *callback; /* NULL: not watched */
    void *arg;
    uint32_t generation; /* tells a descriptor from an earlier one of the same number */
};

struct loop {
    int epoll_fd;
    bool stopped;
    uint32_t generation;
    struct source *sources; /* by descriptor */
    int source_count;
};

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        free(loop);
        return NULL;
    }
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    close(loop->epoll_fd);
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
        struct source *sources = realloc(loop->sources, (size_t)count * sizeof *sources);
        if (!sources)
            return false;
        for (int i = loop->source_count; i < count; i++)
            sources[i] = (struct source){0};
        loop->sources = sources;
        loop->source_count = count;
    }
    loop->sources[fd] = (struct source){callback, arg, ++loop->generation};
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
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    loop->sources[fd].callback = NULL;
}

bool loop_run(struct loop *loop)
{
    int64_t awake_until = linger_begin();
    while (!loop->stopped) {
        struct epoll_event events[32];
        int count = epoll_wait(loop->epoll_fd, events, sizeof events / sizeof events[0],
                               linger(awake_until) ? 0 : -1);
        if (count == 0)
            continue;
        if (count < 0 && errno != EINTR)
            return false;
        for (int i = 0; i < count; i++) {
            int fd = (int)(events[i].data.u64 & 0xFFFFFFFF);
            /* an earlier callback of this round may have removed it, and even reused its number */
            const struct source *source = &loop->sources[fd];
            if (source->callback && event_key(loop, fd) == events[i].data.u64)
                source->callback(source->arg, events[i].events);
        }
        awake_until = linger_begin(); /* where there was one request the next one is seldom far */
    }
    return true;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
