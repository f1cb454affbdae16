/* SPDX-License-Identifier: BSD-3-Clause */
#include "ifd/trace.h"

#include "base/oneline.h"
#include "base/output.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes that are kept for a slow reader. */
#define BUFFER_SIZE (256 * 1024)

/* How long trace_close waits for a slow reader to take more. */
#define CLOSE_MS       1000

#define LINE_MAX_BYTES 512

struct trace {
    pthread_mutex_t lock; /* protects everything below */
    int fd;               /* -1: writing has failed, and that was reported */
    char *path;
    trace_report *report;
    void *arg;
    unsigned long lost;        /* lines lost since the last one that found room */
    unsigned long lost_in_all; /* lines lost since the trace began */
    size_t unfinished;         /* bytes written of a line whose rest has not been written */
    size_t used;               /* bytes in buffer */
    char buffer[BUFFER_SIZE];
};

static void report(struct trace *trace, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void report(struct trace *trace, const char *format, ...)
{
    char text[512], line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(line, sizeof line, "trace %.400s: %s", trace->path, text);
    trace->report(trace->arg, line);
}

struct trace *trace_open(const char *path, trace_report *to, void *arg, struct error *error)
{
    struct trace *trace = calloc(1, sizeof *trace);
    error_set(error, "out of memory");
    if (!trace || !(trace->path = strdup(path)) || (trace->fd = output_open(path, error)) < 0) {
        if (trace)
            free(trace->path);
        free(trace);
        return NULL;
    }
    pthread_mutex_init(&trace->lock, NULL);
    trace->report = to;
    trace->arg = arg;
    return trace;
}

/* Ends the trace after a write error, and reports it. Cuts an unfinished line off a regular file. */
static void end_trace(struct trace *trace, int reason)
{
    struct stat status;
    if (trace->unfinished > 0 && fstat(trace->fd, &status) == 0 && S_ISREG(status.st_mode) &&
        ftruncate(trace->fd, status.st_size - (off_t)trace->unfinished) < 0)
        reason = errno;
    close(trace->fd);
    trace->fd = -1;
    trace->used = 0;
    report(trace, "cannot be written: %s: it ends here", strerror(reason));
}

/* Updates `unfinished` after count bytes of the buffer, from `from` on, have been written. */
static void written(struct trace *trace, size_t from, size_t count)
{
    const char *bytes = trace->buffer + from, *newline = memrchr(bytes, '\n', count);
    trace->unfinished = newline ? (size_t)(bytes + count - newline - 1) : trace->unfinished + count;
}

static void flush(struct trace *trace)
{
    size_t done = 0;
    while (trace->fd >= 0 && done < trace->used) {
        ssize_t count = output_write(trace->fd, trace->buffer + done, trace->used - done);
        if (count < 0 && errno == EAGAIN)
            break;
        if (count < 0 && errno != EINTR) {
            end_trace(trace, errno);
            return;
        }
        if (count > 0) {
            written(trace, done, (size_t)count);
            done += (size_t)count;
        }
    }
    if (done == 0)
        return;
    trace->used -= done;
    memmove(trace->buffer, trace->buffer + done, trace->used);
}

void trace_flush(struct trace *trace)
{
    if (!trace)
        return;
    pthread_mutex_lock(&trace->lock);
    flush(trace);
    pthread_mutex_unlock(&trace->lock);
}

static bool make_room(struct trace *trace)
{
    if (sizeof trace->buffer - trace->used < 2 * LINE_MAX_BYTES)
        flush(trace);
    return sizeof trace->buffer - trace->used >= 2 * LINE_MAX_BYTES;
}

/* Adds a line to the trace that says where lines are missing. */
static void mark_lost(struct trace *trace)
{
    trace->used += (size_t)snprintf(trace->buffer + trace->used, LINE_MAX_BYTES,
                                    "# (%lu lines were lost here: the reader was too slow)\n", trace->lost);
    trace->lost = 0;
}

/* Adds a line. It may contain any bytes, for example in the names of readers and cards; oneline() cleans
 * it. */
static void add_locked(struct trace *trace, const char *line)
{
    if (trace->fd < 0)
        return;
    if (!make_room(trace)) {
        if (trace->lost_in_all++ == 0)
            report(trace, "lines are lost: the reader is too slow");
        trace->lost++;
        return;
    }
    if (trace->lost > 0)
        mark_lost(trace);
    char *to = trace->buffer + trace->used;
    oneline(to, LINE_MAX_BYTES - 1, line, strlen(line));
    size_t length = strlen(to);
    to[length] = '\n';
    trace->used += length + 1;
}

static void add(struct trace *trace, const char *line)
{
    pthread_mutex_lock(&trace->lock);
    add_locked(trace, line);
    pthread_mutex_unlock(&trace->lock);
}

/* Writes the rest while the reader takes it. */
static void drain(struct trace *trace)
{
    struct pollfd room = {.fd = trace->fd, .events = POLLOUT};
    flush(trace);
    while (trace->fd >= 0 && trace->used > 0 && poll(&room, 1, CLOSE_MS) == 1) {
        size_t before = trace->used;
        flush(trace);
        if (trace->used == before)
            break;
    }
}

static void count_rest(struct trace *trace)
{
    for (size_t i = 0; i < trace->used; i++)
        trace->lost_in_all += trace->buffer[i] == '\n';
}

void trace_close(struct trace *trace)
{
    if (!trace)
        return;
    if (trace->fd >= 0) {
        if (trace->lost > 0 && make_room(trace))
            mark_lost(trace);
        drain(trace);
    }
    count_rest(trace);
    if (trace->lost_in_all > 0)
        report(trace, "%lu lines were lost: the reader was too slow", trace->lost_in_all);
    if (trace->fd >= 0 && close(trace->fd) < 0)
        report(trace, "cannot be written: %s", strerror(errno));
    free(trace->path);
    free(trace);
}

void trace_leave(struct trace *trace)
{
    if (!trace)
        return;
    if (trace->fd >= 0)
        close(trace->fd);
    free(trace->path);
    free(trace);
}

void trace_character(struct trace *trace, const char *slot, uint64_t time_us, bool from_card,
                     uint8_t character, bool parity_error)
{
    char line[LINE_MAX_BYTES];
    if (!trace)
        return;
    snprintf(line, sizeof line, "  %5" PRIu64 ".%06" PRIu64 " %.200s %s %02X%s", time_us / 1000000,
             time_us % 1000000, slot, from_card ? "card" : "ifd ", character,
             parity_error ? " parity error" : "");
    add(trace, line);
}

void trace_note(struct trace *trace, const char *slot, uint64_t time_us, const char *format, ...)
{
    char line[LINE_MAX_BYTES], text[LINE_MAX_BYTES - 250];
    if (!trace)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(line, sizeof line, "# %5" PRIu64 ".%06" PRIu64 " %.200s %s", time_us / 1000000,
             time_us % 1000000, slot, text);
    add(trace, line);
}
