#!/bin/sh
# Puts the profiles' own files below /, with the modes that they should have: those of the folder that was built from
# follow somebody's umask.
set -eu
umask 022
cd /opt/workspace/files
for file in $(find . -mindepth 2 -type f | sort); do
    path=/${file#./*/}
    mode=644
    case $path in */bin/* | */sbin/*) mode=755 ;; esac
    mkdir -p "${path%/*}"
    install -m $mode "$file" "$path"
done
rm -rf /opt/workspace/files /opt/workspace/build
