/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/reader_script.h"

#include "icc/sandbox.h"

#include <stdlib.h>

bool reader_script_has_antenna(const struct reader_script *script, unsigned slot)
{
    return script->antenna == READER_ALL_SLOTS || script->antenna == (int)slot;
}

void reader_script_free(struct reader_script *script)
{
    if (!script)
        return;
    sandbox_free(script->sandbox);
    pthread_mutex_destroy(&script->lock);
    free(script);
}

void reader_script_interrupt(struct reader_script *script)
{
    sandbox_interrupt(script->sandbox);
}
