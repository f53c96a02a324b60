#!/bin/sh
# What every profile's install.sh begins with, by `. /opt/workspace/build/common/lib.sh`.
set -eu
export DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
downloads=/opt/workspace/build/downloads
left_out=/opt/workspace/left-out
mkdir -p "$downloads"

say() { printf '%s\n' "$*"; }
fail() { say "workspace: $*" >&2; exit 1; }

# PACKAGE...: out of the distribution, whose keys apt compares them with. Nothing of apt stays in the layer.
packages() {
    apt-get update -q -o Acquire::Retries=3
    apt-get install -yq --no-install-recommends -o Acquire::Retries=3 "$@"
}

# NAME...: the first that this distribution has.
first_of() {
    for first in "$@"; do
        case $(apt-cache policy "$first" 2>/dev/null) in
            *'Candidate: (none)'* | '') ;;
            *) printf '%s\n' "$first"; return 0 ;;
        esac
    done
    return 1
}

# Ends an install.sh: what the build needed and the workspace does not.
tidy() {
    apt-get clean
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /root/.npm /root/.cache "$downloads" /tmp/* /var/tmp/*
    find /var/log -type f -exec truncate -s 0 {} +
}

# URL SHA256 NAME: $downloads/NAME, which is there only with that sum. 1 where it cannot be reached.
fetch() {
    case $2 in
        *[!0-9a-f]* | '') fail "no SHA-256 of $1 is known ('$2'), so it is not fetched" ;;
    esac
    [ "${#2}" = 64 ] || fail "'$2' is no SHA-256 of $1, so it is not fetched"
    rm -f "$downloads/$3"
    curl -fsSL --proto '=https,file' --retry 2 --connect-timeout 20 -o "$downloads/$3.part" "$1" || { rm -f "$downloads/$3.part"; return 1; }
    same "$1" "$2" "$downloads/$3.part"
    mv "$downloads/$3.part" "$downloads/$3"
}

# WHAT SHA256 FILE: the build ends where the file has another sum.
same() {
    came=$(sha256sum <"$3")
    [ "${came%% *}" = "$2" ] ||
        fail "the SHA-256 of $1 does not match: $2 was expected, ${came%% *} came. Nothing of it was run or unpacked"
}

# NAME VERSION SHA256: $downloads/NAME.tgz, a package of npm's registry as it was looked at; its own list of what it needs
# (npm-shrinkwrap.json) holds sums, which npm compares.
npm_package() {
    (cd "$downloads" && npm pack --silent "$1@$2" >/dev/null) || fail "npm could not fetch $1 $2"
    same "$1 $2 of npm" "$3" "$downloads/$1-$2.tgz"
    mv "$downloads/$1-$2.tgz" "$downloads/$1.tgz"
}

# WHAT WHY: a part that is left out of the image is said by it, in the build's log and in the workspace.
leave_out() {
    say "left out: $1: $2"
    printf '%s: %s\n' "$1" "$2" >>"$left_out"
}

architecture() { dpkg --print-architecture; }

# ENVIRONMENT FILE: an environment of Python gets what the file pins, each with its sum.
locked() {
    "$1/bin/pip" install -q --only-binary :all: --require-hashes -r "$2"
    find "$1" -name __pycache__ -prune -exec rm -rf {} +
}
