#!/bin/sh
# Installs Rust by rustup for the user lab, or from the distribution; a later run updates it.
set -eu
. /usr/local/lib/halolab/lab.sh

# rustup's installer, by the sums beside it at static.rust-lang.org/rustup/archive/VERSION/. What rustup fetches then it
# compares with the SHA-256 in its server's lists.
rustup_version=1.28.2
rustup_x86_64=20a06e644b0d9bd2fbdbfd52d42540bdde820ea7df86e92e533c073da0cdd43c
rustup_aarch64=e3853c5a252fca15252d07cb23a1bdd9377a8c6f3efa01531109281ae47f841c

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
            "$downloads/rustup-init" -q -y --no-modify-path --profile minimal -c clippy -c rustfmt
        rm -f "$downloads/rustup-init"
    fi
    say "Installed $(as_lab $cargo/bin/rustc --version)"
}

rustup() {
    as_lab env RUSTUP_DIST_SERVER="$server" RUSTUP_UPDATE_ROOT="$server/rustup" $cargo/bin/rustup -q "$@"
}

fetch_installer() {
    case $(uname -m) in
        x86_64) sum=$rustup_x86_64 ;;
        aarch64) sum=$rustup_aarch64 ;;
        *) fail "rustup's installer is not known for $(uname -m): choose toolchains = distribution." ;;
    esac
    try "$words" fetch "$server/rustup/archive/$rustup_version/$(uname -m)-unknown-linux-gnu/rustup-init" "$sum" rustup-init
    chmod 755 "$downloads/rustup-init"
}

main </dev/null
