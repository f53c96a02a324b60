#!/bin/bash
# stage_scripts.sh [SOCKET [PART...]] : runs the scripts of the shipped labs inside real containers of
# the daemon behind SOCKET (default: HALOLAB_TEST_LXD). PART: ai-debian, dev-debian, arch, fedora, remote, all
# of them by default. The distribution's packages are the real ones; what cannot be had everywhere
# (GPU wheels, ComfyUI, editors, Arch, Fedora) comes from stand-ins on the lab bridge (tests/standins).
#
# HALOLAB_TEST_ALIAS: alias of a Debian 12 image with systemd (default lab/debian).
set -euo pipefail
cd "$(dirname "$0")/.."
standins=$PWD/tests/standins
socket=${1:-${HALOLAB_TEST_LXD:?name the socket of a test daemon: stage_scripts.sh SOCKET}}
[ $# = 0 ] || shift
export LXD_SOCKET=$socket LXD_CONF
unset LXD_DIR
image=${HALOLAB_TEST_ALIAS:-lab/debian}
state=$(mktemp -d /tmp/halolab-scripts.XXXXXX)
chmod 755 "$state"
LXD_CONF=$state/lxc
mkdir "$LXD_CONF"
printf 'default-remote: local\nremotes:\n  local: {addr: "unix://"}\n' >"$LXD_CONF/config.yml"
servers=() instances=() common=() failures=0 prepared=
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

# A Debian instance with the base packages, which each part starts from: the one script that takes long
# and is the same in both labs runs once from nothing.
prepare_base() {
    prepared=$prefix-base lab=$prefix-base
    instances+=("$prepared")
    lxc launch -q "$image" "$prepared" -c security.nesting=true </dev/null
    wait_for_network
    # Without a sync for each file, dpkg is twice as fast, and nothing here has to survive a crash.
    inside 'echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/stage-scripts'
    lxc file push -q /etc/ssl/certs/ca-certificates.crt "$prepared/etc/ssl/certs/ca-certificates.crt" </dev/null
    common=(--family debian)
    must step ai-lab --only prepare
    must step ai-lab --only packages
    lxc stop -f "$prepared" </dev/null
}

# SHORT MOUNT...: starts an instance with data folders that outlive it; sets $lab.
launch() {
    [ -n "$prepared" ] || prepare_base
    lab=$prefix-$1
    instances+=("$lab")
    lxc copy -q "$prepared" "$lab" </dev/null
    local mount root
    for mount in "${@:2}"; do
        mkdir -p "$state/$1/$mount"
        # The first id of the instance's range, user and group: root inside.
        root=$(lxc config get "$lab" volatile.idmap.next | jq -r '[.[] | select(.Isuid)][0].Hostid')
        chown "$root:$root" "$state/$1/$mount"
        lxc config device add -q "$lab" "$mount" disk source="$state/$1/$mount" path="/data/$mount" </dev/null
    done
    lxc start -q "$lab" </dev/null
    wait_for_network
}

# FAMILY: an instance that gets another package manager, and the stand-ins for it; sets $files, $index and $lab.
launch_foreign() {
    files=$state/$1-files
    local wheels=$state/wheels-$1
    "$standins/archives.sh" "$files" 24.1.0
    "$standins/wheels.py" "$wheels" torch==2.9.0 torchvision==0.24.0 torchaudio==2.9.0 torchsde-standin==0.2.6
    serve "wheels-$1" "$standins/serve.py" "$wheels" --bind "$host"
    mkdir "$files/bin"
    tar -C "$files/bin" -xJf "$files"/node/v24.1.0/*.tar.xz --strip-components=2 --wildcards "*/bin/*"
    printf '#!/bin/sh\necho uv 0.9.0\n' >"$files/uv"
    chmod 755 "$files/uv"
    launch "$1" models cache outputs comfyui projects
    index=$(address_of "wheels-$1")/simple/
}

# TEXT: shell text inside the instance, as root. A busy daemon drops a connection now and then; that
# says nothing about the scripts, so the text is run again, and must bear it.
inside() {
    local status=0
    lxc exec "$lab" -T -- sh -c "$1" </dev/null 2>"$state/inside" || status=$?
    if [ $status != 0 ] && grep -q 'unix.*i/o timeout' "$state/inside"; then
        status=0
        lxc exec "$lab" -T -- sh -c "$1" </dev/null 2>"$state/inside" || status=$?
    fi
    cat "$state/inside" >&2
    return $status
}

# ADDRESS FILE: the address as a user gives it, with the SHA-256 of the file behind it.
summed() { printf '%s#sha256=%s' "$1" "$(sha256sum <"$2" | cut -d' ' -f1)"; }

# ADDRESS FILE: the same for a signing key, with its fingerprint.
keyed() {
    printf '%s#fingerprint=%s' "$1" "$(gpg --batch --with-colons --show-keys "$2" | awk -F: '$1 == "fpr" { print $10; exit }')"
}

wait_for_network() {
    for _ in $(seq 60); do
        if inside 'ip -4 route show default | grep -q .'; then return; fi
        sleep 0.5
    done
    say "NOT OK: $lab has no network"
    return 1
}

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

bridge=$(lxc profile device get default eth0 network)
# shellcheck disable=SC2034
host=$(lxc network get "$bridge" ipv4.address | cut -d/ -f1)

[ $# -gt 0 ] || set -- ai-debian dev-debian arch fedora remote
for part in "$@"; do
    # shellcheck source=/dev/null
    . "tests/stage_scripts/$part.sh"
done
say "$failures failed"
[ $failures = 0 ]
