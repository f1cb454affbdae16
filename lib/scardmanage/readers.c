/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of readers, for which no object is needed: a watch looks at them once. */
#include "watch.h"

#include <string.h>

/* Sets *length to that of the list. */
static scardmanage_result copy_names(const struct watch_events *events, char *names, size_t *length)
{
    const scardmanage_watch_event *reader;
    size_t room = names ? *length : 0, position = 0;
    *length = 1;
    while ((reader = watch_events_next_reader(events, &position))) {
        size_t size = strlen(reader->reader) + 1;
        if (*length + size <= room)
            memcpy(names + *length - 1, reader->reader, size);
        *length += size;
    }
    if (!names)
        return SCARDMANAGE_S_OK;
    if (*length > room)
        return SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    names[*length - 1] = '\0';
    return SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_list_readers(char *names, size_t *length, uint32_t timeout_ms)
{
    scardmanage_watch *w;
    if (!length)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = watch_create(NULL, true, NULL, NULL, &w);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = watch_lock_after_first_look(w, timeout_ms);
    if (result == SCARDMANAGE_S_OK) {
        result = copy_names(watch_get_events(w), names, length);
        watch_unlock(w);
    }
    scardmanage_watch_free(w);
    return result;
}
