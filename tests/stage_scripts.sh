#!/bin/bash
# stage_scripts.sh SOCKET [ai-debian] [dev-debian] [arch] : runs the scripts of the shipped labs inside
# real containers of the daemon behind SOCKET. What cannot be had from the real servers here comes from
# stand-ins (tests/standins) on the lab bridge; the distribution's packages are the real ones.
#
# HALOLAB_TEST_DEBIAN: alias of a Debian 12 image with systemd (default lab/debian).
# HALOLAB_TEST_BRIDGE: the daemon's bridge (default: the one of profile default).
set -euo pipefail
cd "$(dirname "$0")/.."
standins=$PWD/tests/standins
socket=${1:?usage: stage_scripts.sh SOCKET [ai-debian] [dev-debian] [arch]}
shift
export LXD_SOCKET=$socket LXD_CONF
unset LXD_DIR
image=${HALOLAB_TEST_DEBIAN:-lab/debian}
state=$(mktemp -d /tmp/halolab-scripts.XXXXXX)
chmod 755 "$state"
LXD_CONF=$state/lxc
mkdir "$LXD_CONF"
printf 'default-remote: local\nremotes:\n  local: {addr: "unix://"}\n' >"$LXD_CONF/config.yml"
servers=() instances=() failures=0
prefix=scripts-$$

finish() {
    status=$?
    for instance in "${instances[@]}"; do lxc delete -f "$instance" >/dev/null 2>&1 || true; done
    for server in "${servers[@]}"; do kill "$server" 2>/dev/null || true; done
    if [ $status = 0 ]; then rm -rf "$state"; else echo "Logs: $state" >&2; fi
}
trap finish EXIT

say() { printf '%s %s\n' "$(date +%T)" "$*"; }

# WORDS ACTUAL PATTERN: an extended regular expression that the whole text matches.
expect() {
    if [[ $2 =~ ^$3$ ]]; then
        say "ok: $1"
    else
        say "NOT OK: $1: '$2' does not match '$3'"
        failures=$((failures + 1))
    fi
}

# NAME COMMAND... : starts a server; its URL or readiness line is in $state/NAME.out.
serve() {
    local name=$1
    shift
    "$@" >"$state/$name.out" 2>&1 &
    servers+=($!)
}

# NAME: the address that a stand-in says it serves.
address_of() {
    for _ in $(seq 50); do
        if grep -qs ^serving "$state/$1.out"; then
            sed -n 's/^serving //p' "$state/$1.out"
            return
        fi
        sleep 0.1
    done
    cat "$state/$1.out" >&2
    return 1
}

# SHORT: launches an instance with data folders that outlive it; sets $lab.
launch() {
    lab=$prefix-$1
    instances+=("$lab")
    lxc init -q "$image" "$lab" -c security.nesting=true </dev/null
    local mount root
    for mount in "${@:2}"; do
        mkdir -p "$state/$1/$mount"
        # The first id of the instance's range, user and group: root inside.
        root=$(lxc config get "$lab" volatile.idmap.next | jq -r '[.[] | select(.Isuid)][0].Hostid')
        chown "$root:$root" "$state/$1/$mount"
        lxc config device add -q "$lab" "$mount" disk source="$state/$1/$mount" path="/data/$mount" </dev/null
    done
    lxc start -q "$lab" </dev/null
    for _ in $(seq 60); do
        if inside 'ip -4 route show default | grep -q .'; then break; fi
        sleep 0.5
    done
    lxc file push -q /etc/ssl/certs/ca-certificates.crt "$lab/etc/ssl/certs/ca-certificates.crt" </dev/null
}

# TEXT: shell text inside the instance, as root.
inside() { lxc exec "$lab" -T -- sh -c "$1" </dev/null; }

# PHASE STAGE [ARGUMENT]...: runs a phase of a stage; its lines are shown and kept in $output.
phase() {
    say "$2: $1 ${*:3:4}"
    code=0
    output=$("$standins/run_stage.py" "stages/$2" "$1" "$lab" --log "$state/$lab.log" "${common[@]}" "${@:3}") || code=$?
    printf '%s\n' "$output" | sed 's/^/    /'
}

must() {
    phase "$@"
    if [ $code != 0 ]; then
        tail -n 40 "$state/$lab.log"
        say "NOT OK: $2: $1 ended with $code"
        exit 1
    fi
}

bridge=${HALOLAB_TEST_BRIDGE:-$(lxc profile device get default eth0 network)}
host=$(lxc network get "$bridge" ipv4.address | cut -d/ -f1)

# shellcheck source=tests/stage_scripts/ai-debian.sh
# shellcheck source=tests/stage_scripts/dev-debian.sh
# shellcheck source=tests/stage_scripts/arch.sh
for part in "${@:-ai-debian dev-debian arch}"; do
    for one in $part; do . "tests/stage_scripts/$one.sh"; done
done
say "$failures failed"
[ $failures = 0 ]
