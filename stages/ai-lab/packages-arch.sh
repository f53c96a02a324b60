#!/bin/sh
# Base packages by pacman: certificates, download tools, a compiler (Triton and many Python packages
# build C when they are used), Python.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    if [ -n "${OPT_PACMAN_MIRROR:-}" ]; then
        say "Using the mirror $OPT_PACMAN_MIRROR"
        mkdir -p /etc/pacman.d
        printf 'Server = %s\n' "$OPT_PACMAN_MIRROR" >/etc/pacman.d/mirrorlist
    fi
    make_keyring
    say "Reading package lists"
    try "The package lists cannot be read. If the lab has no network, 'halolab doctor' finds out why; \
another mirror can be given as pacman_mirror." thrice pacman_run -Sy
    # Signatures newer than the image's keyring are refused: the keyring goes first.
    if pacman -Si archlinux-keyring >/dev/null 2>&1; then
        try "The keyring of Arch could not be renewed; the lines above say why." \
            pacman_run -S --needed archlinux-keyring
    fi
    # Arch has no partial upgrades: what is there is upgraded together with what is new.
    say "Upgrading and installing base packages"
    try "Base packages could not be installed; the lines above say which one." thrice pacman_run -Su --needed \
        base-devel ca-certificates curl git gnupg jq less nano openssl procps-ng \
        python python-pip sudo unzip util-linux xz zstd
}

make_keyring() {
    [ -e /usr/share/pacman/keyrings/archlinux.gpg ] || return 0
    [ ! -s /etc/pacman.d/gnupg/trustdb.gpg ] || return 0
    say "Making pacman's keyring"
    try "pacman's keyring could not be made." pacman-key --init
    try "pacman's keyring could not be filled." pacman-key --populate archlinux
}

main </dev/null
