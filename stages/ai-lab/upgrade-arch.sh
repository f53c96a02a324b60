#!/bin/sh
# Upgrades all packages of the distribution by pacman.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    # A run that was cut off leaves the lock of a pacman that is gone.
    if [ -e /var/lib/pacman/db.lck ] && ! pidof pacman >/dev/null; then rm /var/lib/pacman/db.lck; fi
    say "Reading package lists"
    try "The package lists cannot be read: the lab reaches no mirror. 'halolab doctor' looks at its network." \
        thrice pacman_run -Sy
    if pacman -Si archlinux-keyring >/dev/null 2>&1; then
        try "The keyring of Arch could not be renewed." pacman_run -S --needed archlinux-keyring
    fi
    try "The upgrade failed; the lines above name the package." thrice pacman_run -Su
    say "All packages are up to date."
}

main </dev/null
