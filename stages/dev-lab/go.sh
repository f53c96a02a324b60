#!/bin/sh
# Installs the newest Go into /usr/local/go, or the distribution's; a later run updates it. The list of releases that its
# project publishes has their SHA-256.
set -eu
. /usr/local/lib/halolab/lab.sh

server=${OPT_GO_SERVER:-https://go.dev/dl}

main() {
    case ${OPT_TOOLCHAINS:-upstream}-$IMAGE_FAMILY in
        distribution-debian) set -- golang-go ;;
        distribution-fedora) set -- golang ;;
        distribution-*) set -- go ;;
        *)
            from_server
            return 0
            ;;
    esac
    try "Go could not be installed from the distribution; the lines above say why." install_packages "$@"
    say "Installed $(go version)"
}

from_server() {
    words="Go could not be fetched from $server: set go_server to a mirror, or toolchains = distribution."
    list=$downloads/go.json
    try "$words" fetch_list "$server/?mode=json" go.json
    chosen=$(jq -r --arg arch "$(architecture)" 'map(select(.stable))[0] | .version as $version | .files[]
        | select(.os == "linux" and .arch == $arch and .kind == "archive") | "\($version) \(.filename) \(.sha256)"' "$list") ||
        fail "$server/?mode=json is not Go's list of releases."
    [ -n "$chosen" ] || fail "$server lists no Go for $(uname -m)."
    # shellcheck disable=SC2086
    set -- $chosen
    if [ "$(head -n 1 /usr/local/go/VERSION 2>/dev/null)" = "$1" ]; then
        say "$1 is the newest, and installed already."
        return 0
    fi
    try "$words" fetch "$server/$2" "$3" go.tar.gz
    rm -rf /usr/local/go.new
    mkdir /usr/local/go.new
    try "The archive of Go could not be unpacked: is the disk full?" \
        tar --no-same-owner --strip-components=1 -C /usr/local/go.new -xf "$downloads/go.tar.gz"
    rm -rf /usr/local/go "$downloads/go.tar.gz"
    mv /usr/local/go.new /usr/local/go
    ln -sfn /usr/local/go/bin/go /usr/local/bin/go
    ln -sfn /usr/local/go/bin/gofmt /usr/local/bin/gofmt
    say "Installed $(go version)"
}

main </dev/null
