#!/bin/sh
# Installs the Continue extension in each editor that is there: from Open VSX (code-server) or
# Microsoft's marketplace (VS Code), or from a .vsix file whose address was given.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    extension=Continue.continue
    if [ -n "${OPT_EXTENSION_URL:-}" ]; then
        extension=/tmp/halolab-continue.vsix
        try "The extension could not be fetched from $OPT_EXTENSION_URL." fetch "$OPT_EXTENSION_URL" $extension
        chmod 644 $extension
    fi
    found=
    for editor in code-server code; do
        command -v $editor >/dev/null || continue
        found=1
        try "Continue could not be installed in $editor: without a way to its extension server, set extension_url to a .vsix file." \
            thrice as_lab $editor --install-extension $extension --force
    done
    # Their own steps have said why; this one has nothing of its own to report.
    [ -n "$found" ] || say "Neither code-server nor VS Code is there, so Continue is left out."
}

main </dev/null
