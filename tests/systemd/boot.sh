#!/bin/bash
# usage: boot.sh ROOTFS WORK BIND... : boot the systemd of ROOTFS as process 1 of namespaces of its own.
# The network is this machine's. Nothing is written to ROOTFS; a BIND is FROM:TO, and read-only inside.
# WORK is an empty directory. The machine ends when this process, which becomes unshare, is killed.
set -euo pipefail
export rootfs=$1 work=$2
shift 2
export binds="$*"
group=$(findmnt -t cgroup2 -n -o TARGET | head -1)/hotswapd-test.$$
mkdir "$group"
echo $$ > "$group/cgroup.procs"
exec unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --propagation private bash -euc '
    mount -t tmpfs tmpfs "$work"
    mkdir "$work/upper" "$work/rest" "$work/root"
    mount -t overlay -o "lowerdir=$rootfs,upperdir=$work/upper,workdir=$work/rest" overlay "$work/root"
    cd "$work/root"
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    umount -l sys/fs/cgroup 2>/dev/null || true
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=1777 tmpfs tmp
    mount -t tmpfs -o mode=755 tmpfs dev
    for device in null zero full random urandom tty; do
        touch dev/$device
        mount --bind /dev/$device dev/$device
    done
    mkdir dev/shm dev/pts
    mount -t tmpfs -o mode=1777 tmpfs dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    for number in 0 1 2; do ln -s /proc/self/fd/$number "dev/$(echo stdin stdout stderr | cut -d" " -f$((number + 1)))"; done
    for bind in $binds; do
        from=${bind%%:*} to=.${bind#*:}
        if [ -d "$from" ]; then mkdir -p "$to"; else mkdir -p "$(dirname "$to")"; touch "$to"; fi
        mount --bind "$from" "$to"
        mount -o remount,bind,ro "$to"
    done
    mount --make-rshared / # without it the directory of LoadCredential= would be empty inside
    hostname hotswapd-test
    export container=unshare
    exec chroot . /usr/lib/systemd/systemd --system --unit=multi-user.target
' </dev/null
