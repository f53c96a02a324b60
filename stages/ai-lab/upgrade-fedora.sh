#!/bin/sh
# Upgrades all packages of the distribution by dnf, within the release of the image.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    say "Reading package lists"
    try "The package lists cannot be read: the lab reaches no mirror. 'halolab doctor' looks at its network." \
        thrice dnf_lists
    try "The upgrade failed; the lines above name the package." thrice dnf_run upgrade
    say "All packages are up to date."
}

main </dev/null
