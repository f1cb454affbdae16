# SPDX-License-Identifier: BSD-3-Clause
# cmake -DINPUT=builtin.lua -DOUTPUT=builtin.c -P embed.cmake: a text file as a C array
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${hex}")
file(WRITE ${OUTPUT} "#include \"icc/builtin.h\"

const char builtin_lua[] = {${bytes} 0};
const size_t builtin_lua_length = sizeof builtin_lua - 1;
")
