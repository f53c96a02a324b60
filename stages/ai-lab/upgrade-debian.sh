#!/bin/sh
# Upgrades all packages of the distribution by apt.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    # A run that was cut off leaves half-configured packages; finishing them first is harmless.
    dpkg --configure -a
    say "Reading package lists"
    try "The package lists cannot be read: the lab reaches no mirror. 'halolab doctor' looks at its network." \
        thrice apt_get update
    try "The upgrade failed; the lines above name the package." thrice apt_get full-upgrade
    apt_get autoremove
    say "All packages are up to date."
}

main </dev/null
