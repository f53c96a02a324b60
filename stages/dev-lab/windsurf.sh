#!/bin/sh
# Installs Windsurf: from its vendor's apt repository, or from an archive whose address was given.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    repository="https://windsurf-stable.codeiumdata.com/wVxQEIWkwPUEAGf3/apt stable main"
    if [ -n "${OPT_WINDSURF_URL:-}" ]; then
        try "Windsurf could not be installed from $OPT_WINDSURF_URL; the lines above say why." \
            vendor_archive windsurf windsurf "$OPT_WINDSURF_URL"
    elif [ "$IMAGE_FAMILY" = debian ]; then
        try "Windsurf could not be installed from $repository: without a way there, set windsurf_url to a .deb or .tar.gz, or choose code-server." \
            vendor_apt windsurf /etc/apt/keyrings/windsurf-stable.gpg \
            https://windsurf-stable.codeiumdata.com/wVxQEIWkwPUEAGf3/windsurf.gpg "$repository" windsurf
    else
        fail "Windsurf's vendor has packages for Debian, Ubuntu and Fedora only: set windsurf_url to a .tar.gz, take the Debian image, or choose code-server."
    fi
    say "Installed Windsurf: $(command -v windsurf)"
}

main </dev/null
