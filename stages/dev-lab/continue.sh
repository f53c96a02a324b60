#!/bin/sh
# Installs the Continue extension in each editor that is there. VS Code takes it from Microsoft's marketplace and checks its
# signature itself; code-server and Arch's build of VS Code check none, so it comes from Open VSX, which publishes its
# SHA-256, or from a .vsix file whose address was given.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    url='' sum=''
    if [ -n "${OPT_EXTENSION_URL:-}" ]; then split_address extension_url "$OPT_EXTENSION_URL"; fi
    found=
    for editor in code-server code; do
        command -v $editor >/dev/null || continue
        found=1
        extension=Continue.continue
        if [ -n "$url" ] || [ "$editor-$IMAGE_FAMILY" = code-arch ] || [ $editor = code-server ]; then
            get_archive
            extension=$downloads/continue.vsix
        fi
        try "Continue could not be installed in $editor: without a way to its extension server, set extension_url to a .vsix file." \
            thrice as_lab $editor --install-extension "$extension" --force
    done
    # Their own steps have said why; this one has nothing of its own to report.
    [ -n "$found" ] || say "Neither code-server nor VS Code is there, so Continue is left out."
}

get_archive() {
    [ -n "$url" ] || try "Open VSX does not tell the newest Continue: without a way there, set extension_url to a .vsix file." newest
    try "The extension could not be fetched from $url." fetch "$url" "$sum" continue.vsix
    chmod 644 "$downloads/continue.vsix"
}

# Sets $url and $sum.
newest() {
    case $(architecture) in amd64) platform=linux-x64 ;; *) platform=linux-$(architecture) ;; esac
    fetch_list "https://open-vsx.org/api/Continue/continue/$platform/latest" continue.json || return 1
    url=$(jq -r '.files.download // empty' "$downloads/continue.json")
    sums=$(jq -r '.files.sha256 // empty' "$downloads/continue.json")
    case $url-$sums in https://open-vsx.org/*-https://open-vsx.org/*) ;; *) return 1 ;; esac
    fetch_list "$sums" continue.sha256 || return 1
    sum=$(cut -d' ' -f1 <"$downloads/continue.sha256")
}

main </dev/null
