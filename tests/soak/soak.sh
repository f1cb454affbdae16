#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# soak.sh BUILD [--seconds N | --cycles N] [--seed N] [cycles | storm]: the long runs; without a name both. In full they
# are 10,000 cycles (some five minutes) and a storm of ten minutes.
set -eu
build=$(realpath "$1")
soak=$(dirname "$(realpath "$0")")
shift

usage() {
    echo "Usage: soak [--seconds N | --cycles N] [--seed N] [cycles | storm]" >&2
    exit 2
}

what='' cycles='' seconds='' seed=''
while [ $# -gt 0 ]; do
    case $1 in
    --cycles | --seconds | --seed)
        case ${2-} in
        '' | *[!0-9]*) usage ;;
        esac
        case $1 in
        --cycles) cycles="--cycles $2" ;;
        --seconds) seconds="--seconds $2" ;;
        --seed) seed="--seed $2" ;;
        esac
        shift 2
        ;;
    cycles | storm)
        [ -z "$what" ] || usage
        what=$1
        shift
        ;;
    *) usage ;;
    esac
done
[ -z "$cycles" ] || { [ -z "$seconds" ] && [ "$what" != storm ]; } || usage

if [ "$what" != storm ]; then
    rig=
    for number in $(seq 0 15); do
        rig="$rig --reader r$number --card r$number=$soak/identity.lua"
    done
    # shellcheck disable=SC2086 # lists of words
    "$build/bin/cardrig" run $rig -- "$build/bin/soak_cycles" ${cycles:-$seconds} $seed
fi
# --cycles is for the other one
if [ "$what" = storm ] || { [ -z "$what" ] && [ -z "$cycles" ]; }; then
    # shellcheck disable=SC2086
    CARDRIG_BUILD=$build PYTHONDONTWRITEBYTECODE=1 exec python3 "$soak/storm.py" $seconds $seed
fi
