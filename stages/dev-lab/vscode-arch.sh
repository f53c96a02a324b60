#!/bin/sh
# Installs Arch's own build of VS Code's open source; Microsoft has no repository for Arch.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    try "Arch's package 'code' could not be installed; the lines above say why." install_packages code
    say "Installed $(pacman -Q code)"
}

main </dev/null
