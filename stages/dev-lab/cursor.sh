#!/bin/sh
# Installs Cursor: from its vendor's apt repository, or from an archive whose address was given.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    repository="https://downloads.cursor.com/aptrepo stable main"
    if [ -n "${OPT_CURSOR_URL:-}" ]; then
        try "Cursor could not be installed from $OPT_CURSOR_URL; the lines above say why." \
            vendor_archive cursor cursor "$OPT_CURSOR_URL"
    elif [ "$IMAGE_FAMILY" = debian ]; then
        try "Cursor could not be installed from $repository: without a way there, set cursor_url to a .deb or .tar.gz, or choose code-server." \
            vendor_apt cursor /usr/share/keyrings/anysphere.gpg \
            https://downloads.cursor.com/keys/anysphere.asc "$repository" cursor
    else
        fail "Cursor's vendor has packages for Debian, Ubuntu and Fedora only: set cursor_url to a .tar.gz, take the Debian image, or choose code-server."
    fi
    say "Installed Cursor: $(command -v cursor)"
}

main </dev/null
