/* SPDX-License-Identifier: BSD-3-Clause */
#include "transcript.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct transcripts *transcripts;
    const char *file;
    unsigned number; /* of the line */
    char *error;
    size_t error_size;
};

static bool mistake(struct reader *reader, const char *what)
{
    snprintf(reader->error, reader->error_size, "%s:%u: %s", reader->file, reader->number, what);
    return false;
}

static void *grow(void *array, int count, size_t size)
{
    void *grown = realloc(array, (size_t)(count + 1) * size);
    if (!grown)
        abort();
    return grown;
}

static struct transcript *latest(const struct transcripts *transcripts)
{
    return transcripts->count > 0 ? &transcripts->transcripts[transcripts->count - 1] : NULL;
}

static bool begin_transcript(struct reader *reader, const char *name)
{
    struct transcripts *all = reader->transcripts;
    if (all->count > 0 && latest(all)->count == 0)
        return mistake(reader, "the transcript before this one has no lines");
    for (int i = 0; i < all->count; i++)
        if (strcmp(all->transcripts[i].name, name) == 0)
            return mistake(reader, "a transcript has this name already");
    all->transcripts = grow(all->transcripts, all->count, sizeof *all->transcripts);
    all->transcripts[all->count++] = (struct transcript){.file = reader->file, .name = name};
    return true;
}

static bool add_line(struct reader *reader, const char *text)
{
    struct transcript *transcript = latest(reader->transcripts);
    if (!transcript)
        return mistake(reader, "a line before the first transcript");
    transcript->lines = grow(transcript->lines, transcript->count, sizeof *transcript->lines);
    transcript->lines[transcript->count++] = (struct transcript_line){text, reader->number};
    return true;
}

static bool read_line(struct reader *reader, const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ')
            return mistake(reader, "a control character");
    if (length == 0 || text[0] == '#')
        return true;
    if (text[0] == ' ' || text[length - 1] == ' ')
        return mistake(reader, "a blank at the beginning or the end of the line");
    if (strncmp(text, "== ", 3) == 0)
        return begin_transcript(reader, text + 3);
    return add_line(reader, text);
}

bool transcripts_parse(struct transcripts *transcripts, const char *file, char *text, char *error,
                       size_t error_size)
{
    struct reader reader = {transcripts, file, 0, error, error_size};
    *transcripts = (struct transcripts){.text = text};
    bool ok = true;
    for (char *at = text, *end; ok && *at != '\0'; at = end + 1) {
        reader.number++;
        end = strchr(at, '\n');
        if (!end) {
            ok = mistake(&reader, "the last line has no end");
            break;
        }
        *end = '\0';
        ok = read_line(&reader, at);
    }
    if (ok && (transcripts->count == 0 || latest(transcripts)->count == 0))
        ok = mistake(&reader, "the file ends without a transcript, or its last one has no lines");
    if (!ok)
        transcripts_free(transcripts);
    return ok;
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    bool ok = file && getdelim(&text, &size, '\0', file) >= 0;
    if (file)
        fclose(file);
    if (ok)
        return text;
    free(text);
    return NULL;
}

struct transcripts transcripts_read(const char *path)
{
    struct transcripts transcripts;
    char error[256];
    char *text = read_file(path);
    if (!text) {
        perror(path);
        exit(1);
    }
    const char *slash = strrchr(path, '/');
    if (!transcripts_parse(&transcripts, slash ? slash + 1 : path, text, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
    return transcripts;
}

void transcripts_free(struct transcripts *transcripts)
{
    for (int i = 0; i < transcripts->count; i++)
        free(transcripts->transcripts[i].lines);
    free(transcripts->transcripts);
    free(transcripts->text);
    *transcripts = (struct transcripts){0};
}
