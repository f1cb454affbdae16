/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig's event loop: calls a function when a descriptor can be read or written. It runs in one thread, and
 * all functions except loop_post are for that thread only. */
#ifndef CARDRIG_RIG_LOOP_H
#define CARDRIG_RIG_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* events is a set of EPOLLIN, EPOLLOUT, EPOLLHUP and EPOLLERR, see epoll(7). */
typedef void loop_callback(void *arg, uint32_t events);

/* Returns NULL with errno if there is no descriptor or memory. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* Watches fd for events (level-triggered). The caller keeps fd, and must call loop_remove before it closes
 * fd. Returns false with errno on failure. */
bool loop_add(struct loop *loop, int fd, uint32_t events, loop_callback *callback, void *arg);
bool loop_change(struct loop *loop, int fd, uint32_t events);
/* Stops watching fd. Its callback is not called any more, not even for an event that has been fetched. */
void loop_remove(struct loop *loop, int fd);

/* A call for the loop's thread to make. The poster owns it, and must keep it while it is posted. */
struct loop_call {
    void (*function)(void *arg);
    void *arg;
    /* for the loop only */
    bool posted;
    struct loop_call *next;
};

/* Makes the loop's thread call call->function(call->arg), after the calls posted before it. A call that is
 * posted again before the thread makes it is made once. May be called from any thread. */
void loop_post(struct loop *loop, struct loop_call *call);

/* Makes the calls that are still posted, after loop_run has returned. */
void loop_make_posted_calls(struct loop *loop);

/* Waits for events and calls the callbacks, until loop_stop is called. Returns false with errno if waiting
 * for events fails. */
bool loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
