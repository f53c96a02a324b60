#!/bin/sh
# Installs Node's newest long-term release into /opt/node, or the distribution's; a later run updates it. Each release has
# a list of SHA-256 beside it.
set -eu
. /usr/local/lib/halolab/lab.sh

server=${OPT_NODE_SERVER:-https://nodejs.org/dist}

main() {
    write_settings
    case ${OPT_TOOLCHAINS:-upstream}-$IMAGE_FAMILY in
        distribution-*)
            try "Node could not be installed from the distribution; the lines above say why." install_packages nodejs npm
            ;;
        *) from_server ;;
    esac
    say "Installed Node $(node --version), npm $(npm --version)"
}

# Global packages of the user lab go to its own folder: no sudo for `npm install -g`.
write_settings() {
    {
        echo 'npm_config_prefix=/home/lab/.local'
        echo 'npm_config_update_notifier=false'
        if [ -n "${OPT_NPM_REGISTRY:-}" ]; then echo "npm_config_registry=$OPT_NPM_REGISTRY"; fi
    } >/etc/halolab/node.env
}

from_server() {
    words="Node could not be fetched from $server: set node_server to a mirror, or toolchains = distribution."
    try "$words" fetch_list "$server/index.json" node.json
    version=$(jq -r 'map(select(.lts))[0].version // empty' "$downloads/node.json")
    [ -n "$version" ] || fail "$server lists no long-term release of Node."
    if [ "$(node --version 2>/dev/null)" = "$version" ]; then
        say "Node $version is the newest long-term release, and installed already."
        return 0
    fi
    case $(architecture) in amd64) kind=x64 ;; *) kind=$(architecture) ;; esac
    archive=node-$version-linux-$kind.tar.xz
    try "$words" fetch_list "$server/$version/SHASUMS256.txt" node.sums
    sum=$(awk -v name="$archive" '$2 == name { print $1 }' "$downloads/node.sums")
    try "$words" fetch "$server/$version/$archive" "$sum" node.tar.xz
    rm -rf /opt/node.new
    mkdir /opt/node.new
    try "The archive of Node could not be unpacked: is the disk full?" \
        tar --no-same-owner --strip-components=1 -C /opt/node.new -xf "$downloads/node.tar.xz"
    rm -rf /opt/node "$downloads/node.tar.xz"
    mv /opt/node.new /opt/node
    for program in node npm npx; do ln -sfn "/opt/node/bin/$program" "/usr/local/bin/$program"; done
}

main </dev/null
