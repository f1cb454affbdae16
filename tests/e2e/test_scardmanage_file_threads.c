/* SPDX-License-Identifier: BSD-3-Clause */
/* Files used by several threads at once while another process resets the card: what they read is right, and every
 * call succeeds. Built with ThreadSanitizer, which has the last word. Run in a rig with files.lua. */
#include "others.h"
#include "scardmanage_file_admin.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BY_NAME SCARDMANAGE_TYPE_BY_NAME
#define RESETS  30

static scardmanage *m;
static scardmanage_file_access *f;
static scardmanage_file shared; /* "another file, ", a hundred times */
static atomic_bool over;
static atomic_uint done;

static void must(const char *call, scardmanage_result result)
{
    done++;
    if (result == SCARDMANAGE_S_OK)
        return;
    fprintf(stderr, "%s: %08x: %s\n", call, (unsigned)result, scardmanage_strerror(result));
    exit(1);
}

#define MUST(call) must(#call, call)

static void must_be(const uint8_t *bytes, const char *text, size_t length)
{
    if (length == strlen(text) && memcmp(bytes, text, length) == 0)
        return;
    fprintf(stderr, "read '%.*s', not '%s'\n", (int)length, (const char *)bytes, text);
    exit(1);
}

/* Two of these threads read the same file, each time the next part of it. */
static void *reads_on(void *nothing)
{
    while (!over) {
        uint8_t buffer[14];
        size_t length = sizeof buffer;
        scardmanage_result result = scardmanage_file_read(f, shared, buffer, &length, 0);
        if (result == SCARDMANAGE_W_EOF) {
            MUST(scardmanage_file_seek(f, shared, SCARDMANAGE_SEEK_FROM_BEGINNING, 0));
            continue;
        }
        must("scardmanage_file_read()", result);
        must_be(buffer, "another file, ", length);
    }
    return nothing;
}

static void *opens_and_reads(void *nothing)
{
    while (!over) {
        uint8_t buffer[100];
        size_t length = sizeof buffer;
        scardmanage_file file;
        MUST(scardmanage_file_open(f, BY_NAME, "3F00/2F05", &file));
        MUST(scardmanage_file_read(f, file, buffer, &length, 0));
        must_be(buffer, "a serial number: 0001", length);
        MUST(scardmanage_file_close(f, file));
    }
    return nothing;
}

/* With an object of its own. */
static void *writes_records(void *nothing)
{
    scardmanage_file_access *own;
    scardmanage_file file;
    MUST(scardmanage_create_file_access(m, NULL, &own));
    MUST(scardmanage_file_open(own, BY_NAME, "5000/0003", &file));
    for (unsigned i = 0; !over; i++) {
        uint8_t buffer[8];
        size_t length = sizeof buffer;
        char record[9];
        snprintf(record, sizeof record, "%08u", i);
        MUST(scardmanage_file_seek(own, file, SCARDMANAGE_SEEK_FROM_BEGINNING, i % 3));
        MUST(scardmanage_file_write(own, file, (const uint8_t *)record, 8, 0));
        MUST(scardmanage_file_seek(own, file, SCARDMANAGE_SEEK_RELATIVE, -1));
        MUST(scardmanage_file_read(own, file, buffer, &length, 0));
        must_be(buffer, record, length);
    }
    scardmanage_file_access_free(own);
    return nothing;
}

static void *changes_directories(void *nothing)
{
    while (!over) {
        char path[SCARDMANAGE_PATH_MAX];
        size_t length = sizeof path;
        uint16_t status_word;
        MUST(scardmanage_file_change_dir(f, BY_NAME, "3F00/5000"));
        MUST(scardmanage_file_change_dir(f, BY_NAME, "F066696C6573"));
        MUST(scardmanage_file_get_current_dir(f, path, &length));
        must_be((const uint8_t *)path, "F066696C6573", length - 1);
        MUST(scardmanage_file_get_status_word(f, &status_word));
    }
    return nothing;
}

/* As in test_scardmanage_threads.c: libpcsclite keeps the reader states in one place for all contexts. */
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:libpcsclite.so\n";
}

int main(void)
{
    static void *(*const run[])(void *) = {reads_on, reads_on, opens_and_reads, writes_records,
                                           changes_directories};
    enum { THREADS = sizeof run / sizeof run[0] };
    pthread_t threads[THREADS];
    struct others others;
    const char *reader = getenv("CARDRIG_READER");
    if (!reader || !others_start(&others, reader)) {
        fprintf(stderr, "not in a rig, or no other client\n");
        return 1;
    }
    MUST(scardmanage_create(&m));
    MUST(scardmanage_attach_by_ifd(m, reader));
    MUST(scardmanage_create_file_access(m, NULL, &f));
    MUST(scardmanage_file_open(f, BY_NAME, "5000/0002", &shared));
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, run[i], NULL) != 0)
            return 1;
    for (int i = 0; i < RESETS; i++) {
        unsigned before = done;
        others_do(&others, i % 2 ? 'c' : 'w');
        while (done < before + THREADS) /* the resets do not follow each other too closely */
            sched_yield();
    }
    over = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    scardmanage_file_access_free(f);
    scardmanage_free(m);
    others_stop(&others);
    return 0;
}
