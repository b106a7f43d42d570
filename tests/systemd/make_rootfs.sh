#!/bin/bash
# usage: make_rootfs.sh DIRECTORY: a small Debian with its own systemd, for tests that boot it in namespaces.
# Made once and used again: the directory appears by one rename, when it is whole.
set -euo pipefail
root=$1
[ -d "$root" ] && exit 0
mkdir -p "$(dirname "$root")"
new=$(mktemp -d "$root.XXXXXX")
trap 'rm -rf "$new"' EXIT

# g++ and openssl: torch compiles with them. The libraries: what the host's Python, bound into it, is linked with.
packages=systemd,systemd-sysv,dbus,g++,openssl,libffi8,libssl3t64,libsqlite3-0,libbz2-1.0,liblzma5,libreadline8t64
packages=$packages,procps,libexpat1,zlib1g,libuuid1,libncursesw6,libgomp1
mmdebstrap --quiet --variant=minbase --include="$packages" --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' trixie "$new"

: > "$new/etc/machine-id" # "first boot" would ask questions
chmod 755 "$new" "$new/root"
# What a machine without hardware and network of its own need not start.
for unit in getty.target console-getty.service systemd-udevd.service systemd-resolved.service \
    systemd-networkd.service systemd-timesyncd.service systemd-sysctl.service systemd-modules-load.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer; do
    ln -sf /dev/null "$new/etc/systemd/system/$unit"
done
mv -T "$new" "$root"
