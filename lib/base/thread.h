/* What POSIX threads leave to their users. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

/* Has function(arg) run in a thread that nobody joins, and to which no signal is delivered that is meant for the
 * process. False with errno. */
bool thread_start(void *(*function)(void *arg), void *arg);

/* A condition whose deadlines are of a clock that only goes forward; and such a deadline, so many ms from now. */
void thread_condition_init(pthread_cond_t *condition);
struct timespec thread_deadline(int milliseconds);

#endif
