/* SPDX-License-Identifier: BSD-3-Clause */
/* The text of builtin.lua; the build turns it into C. */
#ifndef CARDRIG_ICC_BUILTIN_H
#define CARDRIG_ICC_BUILTIN_H

#include <stddef.h>

extern const char builtin_lua[]; /* ends with a NUL that builtin_lua_length does not count */
extern const size_t builtin_lua_length;

#endif
