#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# build.sh FOLDER COMPILER TYPE CFLAGS LDFLAGS [CMAKE-OPTION...]: builds all of cardrig in FOLDER, which is removed
# afterwards; a warning is an error, also one of the linker's. Without ThreadSanitizer, which would compile a third of it
# once more.
set -eu
folder=$1 type=$3
export CC="$2" CFLAGS="$4" LDFLAGS="$5"
shift 5
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' HUP INT TERM
mkdir -p "$folder"
command -v "$CC" && "$CC" --version | head -n 1
echo "CFLAGS=$CFLAGS LDFLAGS=$LDFLAGS CMAKE_BUILD_TYPE=$type $*"
build() {
    cmake -S "$(dirname "$0")/../.." -B "$folder" -DCMAKE_BUILD_TYPE="$type" -DCARDRIG_THREAD_SANITIZER=OFF "$@" &&
        cmake --build "$folder" --parallel "$(nproc)"
}
build "$@" >"$folder/log" 2>&1 && ! grep -q "warning:" "$folder/log" && exit
cat "$folder/log"
# once more at the end, which is what is shown of a failed row
grep -A 3 -E "warning:|error:" "$folder/log" | head -n 14
exit 1
