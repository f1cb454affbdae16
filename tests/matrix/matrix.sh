#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# ./dev matrix: cardrig on the machines that people have.
set -eu
cd "$(dirname "$0")/../.."
here=tests/matrix
cache=${CARDRIG_MATRIX:-/var/cache/cardrig-matrix}
mirror=${CARDRIG_MIRROR:-http://deb.debian.org/debian}
logs=build/matrix
all="flags musl debian13 debian12 sid i386 debian11 compilers"

usage() {
    cat <<EOF
Usage: ./dev matrix [--quick] [--fresh] [MACHINE...]
  Builds and tests cardrig on other machines, and shows a table of them. Without MACHINE, on all of these:
    flags      here, each build type of CMake, and the flags of distributions: builds only
    musl       here, lib/, driver/ and simulator/ with musl: builds only, and not linked with all that they need
    debian12   './dev demo' and './dev test', first as root in a clone below /root, then as an ordinary user;
    debian13   also builds with clang, and with the distribution's flags for packages
    sid
    i386       the same on 32-bit Debian 12
    debian11   glibc 2.31 and CMake 3.18, without cryptography: builds only
    compilers  on these, gcc 12 to 16 and clang 14 to 21: builds only
  Those with Debian need root, and mmdebstrap, which makes them in $cache (CARDRIG_MATRIX
  is another folder, CARDRIG_MIRROR another mirror than $mirror). They are kept.
    --quick    './dev test --quick' and e2e.install instead of all tests; of the build types without other flags,
               only the one that no other row and no other test has; no flags of Debian's packages; of the rows of
               flags, only Gentoo's builds the tests, too
    --fresh    make them once more
EOF
}

test_options='' fresh=''
while [ $# -gt 0 ]; do
    case $1 in
    --quick) test_options=--quick ;;
    --fresh) fresh=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) break ;;
    esac
    shift
done
[ $# -gt 0 ] || {
    # shellcheck disable=SC2086 # a list of words
    set -- $all
}
for machine; do
    case " $all " in
    *" $machine "*) ;;
    *)
        echo "matrix: there is no '$machine'; './dev matrix --help' lists the machines" >&2
        exit 2
        ;;
    esac
    case $machine in
    flags | musl) ;;
    *)
        [ "$(id -u)" -eq 0 ] || {
            echo "matrix: '$machine' needs root" >&2
            exit 2
        }
        ;;
    esac
done

mkdir -p "$logs"
table=$(mktemp)
running=
stop() { # the row that runs; what enter.sh began ends with it
    [ -n "$running" ] || return 0
    kill -s TERM -- "-$running" 2>/dev/null && sleep 1
    kill -s KILL -- "-$running" 2>/dev/null || :
}
trap 'stop; rm -f "$table"' EXIT
trap 'exit 130' HUP INT TERM

# row NAME COMMAND...: runs it, and notes what became of it
row() {
    row=$1 log=$logs/$(echo "$1" | tr -s ' ,' -).log
    shift
    printf '%-30s ' "$row"
    start=$(date +%s)
    setsid "$@" >"$log" 2>&1 </dev/null &
    running=$!
    while kill -0 "$running" 2>/dev/null; do # what it says meanwhile
        sleep 1
        [ -t 1 ] && printf '\r%-30s %4d s  %-40.40s' "$row" $(($(date +%s) - start)) "$(tail -n 1 "$log" | tr -cd ' -~')"
    done
    result=pass
    wait "$running" || result=FAIL
    running=
    seconds=$(($(date +%s) - start))
    [ ! -t 1 ] || printf '\r%-80s\r%-30s ' '' "$row"
    echo "$result $seconds s"
    [ $result = pass ] || tail -n 15 "$log" | sed 's/^/    /'
    printf '%-30s %-4s %6d s  %s\n' "$row" "$result" "$seconds" "$log" >>"$table"
    [ $result = pass ]
}

install_here() {
    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$1" >/dev/null
}

# is_whole FOLDER: no installation of packages in it was killed on its way
is_whole() {
    [ -d "$1" ] && [ -z "$(ls "$1/var/lib/dpkg/updates" && chroot "$1" dpkg --audit)" ]
}

# debian NAME SUITE [MMDEBSTRAP-OPTION...]: makes it, if it is not there yet, or not whole
debian() {
    name=$1 suite=$2
    shift 2
    [ -n "$fresh" ] || ! is_whole "$cache/$name" || return 0
    rm -rf "${cache:?}/$name"
    command -v mmdebstrap >/dev/null || install_here mmdebstrap
    mkdir -p "$cache"
    rm -rf "$cache/$name.new"
    # the date of a mirror's copy may be long past
    row "$name made" mmdebstrap --variant=minbase --include=ca-certificates,mount,passwd,util-linux \
        --aptopt='Acquire::Check-Valid-Until "false"' "$@" "$suite" "$cache/$name.new" "$mirror" || return 1
    mv "$cache/$name.new" "$cache/$name"
}

# install NAME PACKAGE...
install() {
    name=$1
    shift
    row "$name packages" "$here/enter.sh" "$cache/$name" root sh -c 'export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update && apt-get -qq install --yes --no-install-recommends "$@"' sh "$@"
}

# build_in NAME ROW COMPILER TYPE CFLAGS LDFLAGS [CMAKE-OPTION...]
build_in() {
    name=$1 what=$2
    shift 2
    row "$name $what" "$here/enter.sh" "$cache/$name" root tests/matrix/build.sh /tmp/build "$@" || :
}

try_debian() {
    for user in root user; do
        # what is installed, manual pages too, depends on the machine: not only among all tests
        # shellcheck disable=SC2016 # for the shell there
        row "$1 $user" "$here/enter.sh" "$cache/$1" "$user" sh -c './dev demo && ./dev test "$@" &&
            { [ $# -eq 0 ] || python3 tests/suite.py -R "^e2e.install$" build; }' sh $test_options || :
    done
    install "$1" clang libclang-rt-dev dpkg-dev || return 0
    build_in "$1" clang clang RelWithDebInfo "" "" -DCARDRIG_TESTS=ON
    [ -z "$test_options" ] || return 0
    # shellcheck disable=SC2016
    row "$1 package flags" "$here/enter.sh" "$cache/$1" root sh -c '
        export DEB_BUILD_MAINT_OPTIONS="hardening=+all future=+lfs"
        exec tests/matrix/build.sh /tmp/build cc None "$(dpkg-buildflags --get CPPFLAGS) $(dpkg-buildflags --get CFLAGS)" \
            "$(dpkg-buildflags --get LDFLAGS)" -DCARDRIG_TESTS=ON' || :
}

# build ROW COMPILER TYPE CFLAGS LDFLAGS [CMAKE-OPTION...]: here
build() {
    what=$1
    shift
    row "$what" "$here/build.sh" "$logs/build" "$@" || :
}

try_flags() {
    types=MinSizeRel tests=OFF
    [ -n "$test_options" ] || types="$types Debug None Release RelWithDebInfo" tests=ON
    for type in $types; do
        build "flags $type" cc "$type" "" "" -DCARDRIG_TESTS=$tests
    done
    hardened="-O2 -fstack-protector-strong -fstack-clash-protection -fcf-protection"
    build "flags Fedora, Arch" cc None "$hardened -flto=auto -Wp,-D_FORTIFY_SOURCE=3" \
        "-flto=auto -Wl,-z,relro,-z,now -Wl,--as-needed" -DCARDRIG_TESTS=$tests
    build "flags Gentoo" cc None "-O3 -flto=auto -march=native" "-flto=auto -Wl,-O1 -Wl,--as-needed" -DCARDRIG_TESTS=ON
    build "flags 64-bit time, PIE, static libgcc" cc Release "-D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -fPIE" \
        "-pie -static-libgcc" -DCARDRIG_TESTS=$tests
    ! command -v clang >/dev/null || build "flags clang" clang Release "-D_FORTIFY_SOURCE=3" "" -DCARDRIG_TESTS=$tests
}

try_musl() {
    command -v musl-gcc >/dev/null || {
        [ "$(id -u)" -eq 0 ] && install_here musl-tools
    } || :
    # other libraries' headers behind musl's; the libraries themselves want glibc
    build musl musl-gcc RelWithDebInfo "-idirafter /usr/include -idirafter /usr/include/$(cc -print-multiarch)" \
        "-Wl,--unresolved-symbols=ignore-all"
}

build_packages="gcc libc6-dev make cmake pkg-config libpcsclite-dev liblua5.4-dev libjansson-dev libssl-dev"

# compilers_of NAME COMPILER...
compilers_of() {
    name=$1
    shift
    # shellcheck disable=SC2086
    install "$name" $build_packages check g++ valgrind python3 python3-pytest python3-pyscard "$@" || return 0
    for compiler; do
        case $compiler in
        lib*) ;;
        *) build_in "$name" "$compiler" "$compiler" Release "" "" -DCARDRIG_TESTS=ON ;;
        esac
    done
}

try() {
    case $1 in
    flags) try_flags ;;
    musl) try_musl ;;
    debian11)
        debian debian11 bullseye || return 0
        # shellcheck disable=SC2086
        install debian11 $build_packages || return 0
        build_in debian11 build cc Release "" "" -DCARDRIG_CRYPTO=OFF # its OpenSSL is older than 3.0
        ;;
    debian12) ! debian debian12 bookworm || try_debian debian12 ;;
    debian13) ! debian debian13 trixie || try_debian debian13 ;;
    sid) ! debian sid sid || try_debian sid ;;
    i386) ! debian i386 bookworm --architectures=i386 || try_debian i386 ;;
    compilers)
        ! debian debian12 bookworm || compilers_of debian12 gcc-12 clang-14 libclang-rt-14-dev clang-15 libclang-rt-15-dev \
            clang-16 libclang-rt-16-dev
        ! debian debian13 trixie || compilers_of debian13 gcc-13 gcc-14 clang-17 libclang-rt-17-dev \
            clang-18 libclang-rt-18-dev clang-19 libclang-rt-19-dev
        ! debian sid sid || compilers_of sid gcc-15 gcc-16 clang-20 libclang-rt-20-dev clang-21 libclang-rt-21-dev
        ;;
    esac
}

for machine; do
    try "$machine"
done
echo
cat "$table"
! grep -q "FAIL" "$table"
