/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A trace with any lines, to a FIFO whose reader is slow, or goes, or to a file that may not grow. What gets
 * there are whole lines, each of which is one for people. They come in order, and where some are missing, a
 * line says how many.
 *
 * The first byte says where to, and how far a file may grow; what follows are events.
 */
#include "base/error.h"
#include "fuzz.h"

#include "base/oneline.h"
#include "ifd/trace.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define BURST 700 /* such lines are more than what waits for a reader */

static char folder[] = "/tmp/fuzz-XXXXXX", fifo[sizeof folder + 8], file[sizeof folder + 8];

/* What has been traced, and what has come of it. Each line's time is its number. */
static uint64_t traced, come;
static unsigned reports;
static char unread[1024]; /* the beginning of a line */
static size_t unread_length;

static void remove_folder(void)
{
    unlink(fifo);
    unlink(file);
    rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    CHECK(mkdtemp(folder));
    atexit(remove_folder);
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    snprintf(file, sizeof file, "%s/file", folder);
    CHECK(mkfifo(fifo, 0600) == 0);
    return 0;
}

static void check_printable(const char *line, size_t length)
{
    char again[sizeof unread * 4 + 8];
    oneline(again, sizeof again, line, length);
    CHECK(strlen(again) == length && memcmp(again, line, length) == 0);
}

static void take_line(const char *line, size_t length)
{
    unsigned long seconds, us, lost;
    int end = 0;
    check_printable(line, length);
    if (sscanf(line, "# (%lu lines were lost here%n", &lost, &end) == 1 && end > 0) {
        CHECK(lost > 0);
        come += lost;
        return;
    }
    CHECK(line[0] == '#' || line[0] == ' ');
    CHECK(sscanf(line + 1, " %lu.%6lu %n", &seconds, &us, &end) == 2 && end > 0);
    CHECK(seconds * 1000000 + us == come);
    come++;
}

/* Takes what can be read; false at its end. */
static bool take(int fd, size_t most)
{
    char bytes[4096];
    ssize_t got = 1;
    while (most > 0 && (got = read(fd, bytes, most < sizeof bytes ? most : sizeof bytes)) > 0) {
        most -= (size_t)got;
        for (ssize_t i = 0; i < got; i++) {
            if (bytes[i] != '\n') {
                CHECK(unread_length < sizeof unread - 1);
                unread[unread_length++] = bytes[i];
                continue;
            }
            unread[unread_length] = '\0';
            take_line(unread, unread_length);
            unread_length = 0;
        }
    }
    return got != 0;
}

static void report(void *arg, const char *line)
{
    (void)arg;
    CHECK(line[0] && strlen(line) < 1024);
    reports++;
}

struct input {
    const uint8_t *at, *end;
};

static unsigned next(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

/* So many bytes of the input, without control characters, which no reader's name has. */
static const char *next_text(struct input *input, char text[300], bool any)
{
    size_t length = next(input), i = 0;
    for (; i < length && input->at < input->end; i++) {
        text[i] = (char)*input->at++;
        if (!text[i] || (!any && (uint8_t)text[i] < 0x20))
            text[i] = '_';
    }
    text[i] = '\0';
    return text;
}

/* Events. Returns the reader, -1 when it has gone. */
static int happen(struct trace *trace, int reader, struct input *input)
{
    char slot[300] = "cardrig/0", text[300];
    unsigned bursts = 0;
    while (input->at < input->end)
        switch (next(input) % 8) {
        case 0:
            next_text(input, slot, false);
            slot[140] = '\0';
            break;
        case 1: {
            unsigned character = next(input);
            trace_character(trace, slot, traced++, character & 1, (uint8_t)character, character & 2);
            break;
        }
        case 2:
            next_text(input, text, true);
            trace_note(trace, slot, traced++, "%s", text);
            break;
        case 3:
            trace_flush(trace);
            break;
        case 4:
            if (reader >= 0)
                take(reader, next(input) * 64);
            break;
        case 5:
            memset(text, 'x', sizeof text - 1);
            text[sizeof text - 1] = '\0';
            for (unsigned i = 0; i < BURST && bursts < 2; i++)
                trace_note(trace, slot, traced++, "%s", text);
            bursts++;
            break;
        case 6:
            if (reader >= 0)
                take(reader, SIZE_MAX);
            break;
        case 7:
            if (reader >= 0 && next(input) == 7) {
                close(reader);
                reader = -1;
            }
            break;
        }
    return reader;
}

static struct trace *start(const char *path)
{
    struct error error;
    traced = come = 0;
    reports = 0;
    unread_length = 0;
    struct trace *trace = trace_open(path, report, NULL, &error);
    CHECK(trace);
    return trace;
}

static void trace_to_fifo(struct input *input)
{
    int reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    CHECK(reader >= 0);
    struct trace *trace = start(fifo);
    fcntl(reader, F_SETPIPE_SZ, 4096);
    reader = happen(trace, reader, input);
    /* what waits is read, so that closing has nobody to wait for */
    for (int i = 0; i < 200 && reader >= 0; i++) {
        trace_flush(trace);
        take(reader, SIZE_MAX);
    }
    trace_close(trace);
    if (reader < 0) {
        CHECK(come <= traced);
        return;
    }
    CHECK(!take(reader, SIZE_MAX) && unread_length == 0 && come == traced);
    close(reader);
}

static void trace_to_file(struct input *input, unsigned size)
{
    struct rlimit limit, less;
    unlink(file);
    struct trace *trace = start(file);
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    less = limit;
    less.rlim_cur = size;
    CHECK(setrlimit(RLIMIT_FSIZE, &less) == 0);
    happen(trace, -1, input);
    trace_close(trace);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && !take(fd, SIZE_MAX) && unread_length == 0);
    CHECK(come == traced || (come < traced && reports > 0));
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct input input = {data + 1, data + size};
    if (data[0] % 4)
        trace_to_fifo(&input);
    else
        trace_to_file(&input, data[0] * data[0] * 8u);
    return 0;
}
