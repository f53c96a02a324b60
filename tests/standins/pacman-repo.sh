#!/bin/sh
# pacman-repo.sh FOLDER VERSION NAME... : adds packages to the pacman repository FOLDER/lab.db. A
# package holds only /usr/share/NAME/version; `NAME:FILE` also holds the executable FILE as
# /usr/bin/NAME. Needs repo-add (Debian: pacman-package-manager, libarchive-tools) and zstd.
set -eu
folder=$1 version=$2
shift 2
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
set -- "$@" --
while [ "$1" != -- ]; do
    name=${1%%:*} tree=$work/${1%%:*}
    mkdir -p "$tree/usr/share/$name"
    printf '%s\n' "$version" >"$tree/usr/share/$name/version"
    if [ "$name" != "$1" ]; then install -D -m 755 "${1#*:}" "$tree/usr/bin/$name"; fi
    cat >"$tree/.PKGINFO" <<INFO
pkgname = $name
pkgbase = $name
pkgver = $version-1
pkgdesc = stand-in for $name
url = https://localhost
builddate = 1700000000
packager = stand-in
size = 4096
arch = any
license = MIT
INFO
    file=$folder/$name-$version-1-any.pkg.tar.zst
    (cd "$tree" && tar --zstd --owner=0 --group=0 -cf "$file" .PKGINFO usr)
    shift
    set -- "$@" "$file"
done
shift
repo-add -q "$folder/lab.db.tar.gz" "$@" >/dev/null
