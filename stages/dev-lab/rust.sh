#!/bin/sh
# Installs Rust by rustup for the user lab, or from the distribution; a later run updates it.
set -eu
. /usr/local/lib/halolab/lab.sh

cargo=/home/lab/.cargo
server=${OPT_RUSTUP_SERVER:-https://static.rust-lang.org}

main() {
    as_lab mkdir -p $cargo /data/cache/cargo-registry
    # What cargo has downloaded outlives the lab; what it has built does not.
    if [ ! -e $cargo/registry ]; then as_lab ln -s /data/cache/cargo-registry $cargo/registry; fi
    case ${OPT_TOOLCHAINS:-upstream}-$IMAGE_FAMILY in
        distribution-debian) set -- cargo rustc rustfmt rust-clippy ;;
        distribution-fedora) set -- rust cargo rustfmt clippy ;;
        distribution-*) set -- rust ;;
        *)
            by_rustup
            return 0
            ;;
    esac
    try "Rust could not be installed from the distribution; the lines above say why." install_packages "$@"
    say "Installed $(rustc --version)"
}

by_rustup() {
    words="Rust could not be fetched from $server: set rustup_server to a mirror, or toolchains = distribution."
    if [ -x $cargo/bin/rustup ]; then
        say "Updating Rust from $server"
        try "$words" thrice rustup update stable --no-self-update
    else
        fetch_installer
        say "Installing Rust from $server"
        try "$words" thrice as_lab env RUSTUP_DIST_SERVER="$server" RUSTUP_UPDATE_ROOT="$server/rustup" \
            /tmp/halolab-rustup/rustup-init -q -y --no-modify-path --profile minimal -c clippy -c rustfmt
        rm -rf /tmp/halolab-rustup
    fi
    say "Installed $(as_lab $cargo/bin/rustc --version)"
}

rustup() {
    as_lab env RUSTUP_DIST_SERVER="$server" RUSTUP_UPDATE_ROOT="$server/rustup" $cargo/bin/rustup -q "$@"
}

fetch_installer() {
    address=$server/rustup/dist/$(uname -m)-unknown-linux-gnu/rustup-init
    mkdir -p /tmp/halolab-rustup
    try "$words" fetch "$address" /tmp/halolab-rustup/rustup-init
    try "$words" fetch "$address.sha256" /tmp/halolab-rustup/sum
    check_sum "$(cut -d' ' -f1 /tmp/halolab-rustup/sum)" /tmp/halolab-rustup/rustup-init
    chmod 755 /tmp/halolab-rustup /tmp/halolab-rustup/rustup-init
}

main </dev/null
