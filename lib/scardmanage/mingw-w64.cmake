# SPDX-License-Identifier: BSD-3-Clause
# libscardmanage for Windows: cmake -S . -B build-windows -DCMAKE_TOOLCHAIN_FILE=lib/scardmanage/mingw-w64.cmake
# (Debian: gcc-mingw-w64-x86-64-win32). It shows that it compiles and links; nothing runs it.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc)
