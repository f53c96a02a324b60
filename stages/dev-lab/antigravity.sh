#!/bin/sh
# Installs Antigravity: from its vendor's apt repository, or from an archive whose address was given.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    repository="https://us-central1-apt.pkg.dev/projects/antigravity-auto-updater-dev/ antigravity-debian main"
    if [ -n "${OPT_ANTIGRAVITY_URL:-}" ]; then
        try "Antigravity could not be installed from $OPT_ANTIGRAVITY_URL; the lines above say why." \
            vendor_archive antigravity antigravity "$OPT_ANTIGRAVITY_URL"
    elif [ "$IMAGE_FAMILY" = debian ]; then
        try "Antigravity could not be installed from $repository: without a way there, set antigravity_url to a .deb or .tar.gz, or choose code-server." \
            vendor_apt antigravity /etc/apt/keyrings/antigravity-repo-key.gpg \
            https://us-central1-apt.pkg.dev/doc/repo-signing-key.gpg "$repository" antigravity
    else
        fail "Antigravity's vendor has packages for Debian, Ubuntu and Fedora only: set antigravity_url to a .tar.gz, take the Debian image, or choose code-server."
    fi
    say "Installed Antigravity: $(command -v antigravity)"
}

main </dev/null
