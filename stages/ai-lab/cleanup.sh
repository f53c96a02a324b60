#!/bin/sh
# Removes downloads of packages, so that they are in no snapshot.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    case $IMAGE_FAMILY in
        arch) rm -rf /var/cache/pacman/pkg/* ;;
        debian) apt-get clean ;;
        fedora) dnf_run clean packages ;;
    esac
    rm -rf /tmp/halolab-* "$downloads"
    say "$(df -h / | awk 'NR == 2 { print $3 " in use on the root disk, " $4 " free." }')"
}

main </dev/null
