#include "ifd/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct trace {
    FILE *file;
};

struct trace *trace_open(const char *path)
{
    struct trace *trace = calloc(1, sizeof *trace);
    if (trace && !(trace->file = fopen(path, "we"))) {
        free(trace);
        return NULL;
    }
    return trace;
}

void trace_close(struct trace *trace)
{
    if (!trace)
        return;
    fclose(trace->file);
    free(trace);
}

void trace_character(struct trace *trace, const char *slot, uint64_t time_us, bool from_card,
                     uint8_t character, bool parity_error)
{
    if (trace)
        fprintf(trace->file, "  %5" PRIu64 ".%06" PRIu64 " %s %s %02X%s\n", time_us / 1000000,
                time_us % 1000000, slot, from_card ? "card" : "ifd ", character,
                parity_error ? " parity error" : "");
}

void trace_note(struct trace *trace, const char *slot, uint64_t time_us, const char *format, ...)
{
    if (!trace)
        return;
    fprintf(trace->file, "# %5" PRIu64 ".%06" PRIu64 " %s ", time_us / 1000000, time_us % 1000000, slot);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(trace->file, format, arguments);
    va_end(arguments);
    fputc('\n', trace->file);
}

void trace_flush(struct trace *trace)
{
    if (trace)
        fflush(trace->file);
}
