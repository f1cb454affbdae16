/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The functions require and file, by which a card script gets Lua modules and other files.
 */
#ifndef CARDRIG_ICC_MODULE_H
#define CARDRIG_ICC_MODULE_H

#include <lua.h>

/*
 * Sets the two globals:
 *
 * require(name)  runs the module of that name once, and returns what it returned. The module is NAME.lua in the
 *                script's folder, or else one of the program (library.h). The program's modules mean each other. A dot
 *                in the name stands for a slash.
 * file(path)     returns the bytes of a file in the script's folder or below.
 *
 * Both work only while the script is loaded, and not in a script without a folder, except for the modules of the
 * program. Must run inside a protected call.
 */
void module_open(lua_State *L);

#endif
