#!/bin/sh
# Base packages by apt: certificates, download tools, a compiler (Triton and many Python packages
# build C when they are used), Python with venv.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    if [ -n "${OPT_APT_MIRROR:-}" ]; then use_mirror "$OPT_APT_MIRROR"; fi
    # A run that was cut off leaves half-configured packages; finishing them first is harmless.
    dpkg --configure -a
    say "Reading package lists"
    try "The package lists cannot be read. If the lab has no network, 'halolab doctor' finds out why; \
behind a company's mirror, set apt_mirror." thrice apt_get update
    try "Base packages could not be installed; the lines above say which one." \
        install_packages build-essential ca-certificates curl git gnupg jq less nano openssl procps \
        python3 python3-dev python3-pip python3-venv sudo unzip util-linux xz-utils zstd
}

# MIRROR: for all entries except those of security updates, which have a server of their own.
use_mirror() {
    say "Using the mirror $1"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] || continue
        sed -i -E "/security/!s#^(URIs:|deb(-src)?( \[[^]]*\])?) +https?://[^ ]+#\1 $1#" "$file"
    done
}

main </dev/null
