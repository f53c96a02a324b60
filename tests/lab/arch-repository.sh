#!/bin/bash
# arch-repository.sh FOLDER : a pacman repository `core` that stands for Arch's mirrors: real packages, hand-made content.
# `base` boots (busybox as init, DHCP by udhcpc); `dhcpcd` and `sudo` are files only. The database is written by hand: repo-add needs more.
set -euo pipefail
folder=$(realpath -m "$1") here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
package() { # NAME ROOT
  local name=$1 root=$2
  cat >"$root/.PKGINFO" <<P
pkgname = $name
pkgbase = $name
pkgver = 1.0-1
pkgdesc = stands for $name
url = http://localhost
builddate = 1700000000
packager = tests
size = 4096
arch = $(uname -m)
license = MIT
P
  local file
  file=$name-1.0-1-$(uname -m).pkg.tar.gz
  (cd "$root" && tar --owner=0 --group=0 -czf "$folder/$file" .PKGINFO -- *)
  mkdir -p "$work/database/$name-1.0-1"
  cat >"$work/database/$name-1.0-1/desc" <<D
%FILENAME%
$file

%NAME%
$name

%VERSION%
1.0-1

%ARCH%
$(uname -m)

%CSIZE%
$(stat -c %s "$folder/$file")

%ISIZE%
4096

%SHA256SUM%
$(sha256sum "$folder/$file" | cut -d' ' -f1)

D
}
"$here/busybox-image.sh" "$work/bb.tar.gz"
mkdir "$work/image"; tar -C "$work/image" -xf "$work/bb.tar.gz"
rm -rf "$work/image/rootfs/"{proc,sys,dev,tmp,run,var/run}
printf 'ID=arch\nPRETTY_NAME="Arch Linux (stand-in)"\n' >"$work/image/rootfs/etc/os-release"
package base "$work/image/rootfs"
mkdir -p "$work/dhcpcd/usr/lib/systemd/system"; echo '[Unit]' >"$work/dhcpcd/usr/lib/systemd/system/dhcpcd.service"
package dhcpcd "$work/dhcpcd"
mkdir -p "$work/sudo/usr/share/sudo"; echo stand-in >"$work/sudo/usr/share/sudo/version"
package sudo "$work/sudo"
(cd "$work/database" && tar -czf "$folder/core.db" -- *)
