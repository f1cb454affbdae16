/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig's event loop: descriptors that call back when they can be read or written, in one thread, whose all
 * functions here are but loop_post. */
#ifndef CARDRIG_RIG_LOOP_H
#define CARDRIG_RIG_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* events: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR as of epoll(7). */
typedef void loop_callback(void *arg, uint32_t events);

/* NULL with errno: no descriptor or memory. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* Watches fd for events (level-triggered). fd stays the caller's, who calls loop_remove before closing it. */
bool loop_add(struct loop *loop, int fd, uint32_t events, loop_callback *callback, void *arg);
bool loop_change(struct loop *loop, int fd, uint32_t events);
/* No callback for fd comes after this, not even one for an event that has already been fetched. */
void loop_remove(struct loop *loop, int fd);

/* Something for the loop's thread to do. It is its owner's, and not to go while it is posted. */
struct loop_letter {
    void (*function)(void *arg);
    void *arg;
    /* the loop's */
    bool posted;
    struct loop_letter *next;
};

/* From any thread: has letter->function(letter->arg) called in the loop's, after what was posted before.
 * One that is posted already, and has not been called yet, is called once. */
void loop_post(struct loop *loop, struct loop_letter *letter);

/* Calls what was posted, when the loop does not run any more. */
void loop_read_letters(struct loop *loop);

/* Calls back until loop_stop. False with errno: the kernel refused. */
bool loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
