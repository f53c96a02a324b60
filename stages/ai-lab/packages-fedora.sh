#!/bin/sh
# Base packages by dnf: certificates, download tools, a compiler (Triton and many Python packages
# build C when they are used), Python.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    if [ -n "${OPT_DNF_MIRROR:-}" ]; then use_mirror "${OPT_DNF_MIRROR%/}"; fi
    say "Reading package lists"
    try "The package lists cannot be read. If the lab has no network, 'halolab doctor' finds out why; \
another mirror can be given as dnf_mirror." thrice dnf_lists
    try "Base packages could not be installed; the lines above say which one." \
        install_packages ca-certificates curl diffutils findutils gcc gcc-c++ git gnupg2 gzip hostname iproute jq less make nano \
        openssl procps-ng python3 python3-devel python3-pip shadow-utils sudo tar unzip util-linux xz zstd
}

# MIRROR: instead of Fedora's list of mirrors; its repositories are below releases and updates.
use_mirror() {
    say "Using the mirror $1"
    for file in /etc/yum.repos.d/fedora.repo /etc/yum.repos.d/fedora-updates.repo; do
        [ -f "$file" ] || continue
        sed -i -E -e 's/^(metalink|mirrorlist)=/#&/' -e "s#^\#?baseurl=.*/(releases|updates)/#baseurl=$1/\\1/#" "$file"
    done
}

main </dev/null
