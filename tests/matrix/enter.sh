#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# enter.sh FOLDER USER COMMAND...: runs it as that user (root, or another that is made) with FOLDER as the root of the
# file system, in its ~/cardrig, a fresh copy of the sources. All mounts are of a namespace of its own, and so are the
# processes: nothing is left of them, whatever happens. Not a chroot, in which an ordinary user has no namespaces.
set -eu
sources=$(dirname "$0")/../..
root=$1 user=$2
shift 2
exec 9<"$root"
flock 9 # one at a time
# as the machine is now
cp -L --remove-destination /etc/resolv.conf /etc/hosts "$root/etc/"
# shellcheck disable=SC2016 # for the shell there
[ "$user" = root ] || chroot "$root" sh -c 'id "$1" >/dev/null 2>&1 || useradd -m -s /bin/bash "$1"' sh "$user"
home=$(chroot "$root" sh -c "echo ~$user")
rm -rf "$root$home/cardrig"
mkdir -p "$root$home/cardrig"
(cd "$sources" && tar -c --exclude='./build*' --exclude=./.git .) | tar -x --no-same-owner -C "$root$home/cardrig"
chroot "$root" chown -R "$user:" "$home/cardrig"
path=/usr/local/bin:/usr/bin:/bin
[ "$user" != root ] || path=/usr/local/sbin:/usr/sbin:/sbin:$path

# shellcheck disable=SC2016
exec unshare --mount --propagation private --pid --fork --kill-child sh -eu -c '
    mount --bind "$1" "$1"
    cd "$1"
    shift
    mount -t proc proc proc
    mount --rbind /dev dev
    mount --rbind /sys sys
    for folder in run tmp dev/shm; do mount -t tmpfs -o mode=1777 tmpfs $folder; done
    chmod 755 run
    pivot_root . mnt
    exec chroot . sh -eu -c "umount -l /mnt; cd \"\$1\"; shift; exec \"\$@\"" sh "$@"
' sh "$root" "$home/cardrig" \
    setpriv --reuid "$user" --regid "$user" --init-groups \
    env -i HOME="$home" USER="$user" PATH="$path" LC_ALL=C.UTF-8 ${http_proxy:+http_proxy="$http_proxy"} "$@"
