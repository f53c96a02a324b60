#!/bin/bash
# Runs every test against a private LXD of its own: own folder, bridge and pool, never the user's.
#   tests/run.sh [--fast] [--full] [--incus] [--keep] [-- ARGUMENTS OF CARGO TEST]
#   --full   kills it at every call and tries every fault (tests/kill_points.rs, tests/faults.rs, tests/disk_points.rs),
#            which takes hours; without it a few of each, evenly spread. What came of each is added to
#            target/faults.jsonl (HALOLAB_TEST_FAULTS names another file).
#   HALOLAB_TEST_POINTS=rest  tries those only that this file does not show as clean yet, so that a full run can be spread
#            over several sittings; HALOLAB_TEST_MINUTES=N begins nothing more N minutes after the first
#   --fast   without the Debian image, which takes a minute to build the first time
#   --incus  also starts Incus 6 (tests/lab/incus.sh) as HALOLAB_TEST_INCUS
#   --keep   leaves the daemon running, and says how to reach and how to stop it
# It also starts a private Docker, unless HALOLAB_TEST_DOCKER=skip.
# Root, Debian or Ubuntu (elsewhere: install the named programs yourself), with or without systemd.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fast='' full='' incus='' keep=''
while [ $# -gt 0 ]; do
  case $1 in
    --fast) fast=1 ;;
    --full) full=1 ;;
    --incus) incus=1 ;;
    --keep) keep=1 ;;
    --) shift; break ;;
    *) sed -n '2,14s/^# \{0,1\}//p' tests/run.sh; exit 2 ;;
  esac
  shift
done
say() { printf 'tests: %s\n' "$*"; }
if [ "$(id -u)" != 0 ]; then
  say "a private LXD needs root: type \`sudo -E env PATH=\"\$PATH\" tests/run.sh\`;"
  say "without one, \`HALOLAB_TEST_LXD=skip cargo test\` runs the rest"
  exit 2
fi

packages="lxd lxd-client btrfs-progs dnsmasq-base nftables iptables iproute2 busybox-static mmdebstrap tmux python3"
packages="$packages git gnupg openssl jq curl squashfs-tools xz-utils procps ca-certificates gcc libc6-dev util-linux arch-install-scripts"
packages="$packages pacman-package-manager libvulkan1 mesa-vulkan-drivers"
# whoever has Docker from elsewhere keeps it: the two exclude each other
[ "${HALOLAB_TEST_DOCKER:-}" = skip ] || command -v dockerd >/dev/null || packages="$packages docker.io"
# what is written for it is run by it
[ "${HALOLAB_TEST_DOCKER:-}" = skip ] || docker compose version >/dev/null 2>&1 || packages="$packages docker-compose"
if command -v apt-get >/dev/null; then
  # shellcheck disable=SC2086
  tests/lab/packages.sh $packages
fi
for program in lxd lxc btrfs dnsmasq busybox mmdebstrap tmux python3 openssl jq curl cargo; do
  command -v $program >/dev/null || { say "\`$program\` is missing: install it, then run this again"; exit 1; }
done

# What a killed run left behind goes first; a run that lives holds its lock.
locks=/run/lock; [ -d $locks ] || locks=/tmp
number=
for n in 0 1 2 3 4 5 6 7; do
  exec 9>"$locks/halolab-test-$n"
  flock -n 9 || continue
  for left in /var/tmp/halolab-test-$n.*; do
    [ ! -e "$left/docker" ] || tests/lab/docker.sh down "$left/docker"
    [ ! -e "$left/incus" ] || tests/lab/incus.sh down "$left/incus" hlincus$n
    [ ! -e "$left" ] || tests/lab/lxd.sh down "$left" hltest$n
  done
  subnet=10.$((150 + n)).77
  if ! ip -4 route | grep -q "^$subnet\." && ! ip link show hltest$n >/dev/null 2>&1; then number=$n; break; fi
done
[ -n "$number" ] || { say "no free bridge name hltest0..7 and subnet 10.150..157.77.0/24"; exit 1; }
bridge=hltest$number
lab=$(mktemp -d "/var/tmp/halolab-test-$number.XXXXXX"); chmod 711 "$lab"
stop() {
  local code=$?
  trap '' INT TERM HUP
  if [ -n "$keep" ]; then
    say "kept: LXD_DIR=$lab/lxd, Docker at ${HALOLAB_TEST_DOCKER:-none}; stop them with:"
    say "tests/lab/docker.sh down $lab/docker; tests/lab/lxd.sh down $lab $bridge"
  else
    [ ! -e "$lab/docker" ] || tests/lab/docker.sh down "$lab/docker" || true
    [ -z "$incus" ] || tests/lab/incus.sh down "$lab/incus" hlincus$number || true
    tests/lab/lxd.sh down "$lab" $bridge || true
  fi
  exit $code
}
trap stop EXIT
trap 'exit 130' INT; trap 'exit 143' TERM; trap 'exit 129' HUP

SECONDS=0
tests/lab/lxd.sh up "$lab" $bridge "$subnet"
HALOLAB_BRIDGE=$bridge HALOLAB_PERSIST=no sh -eu stages/host/firewall.sh
# the program under test finds this daemon and no other, whatever the caller's environment says
unset LXD_SOCKET INCUS_SOCKET INCUS_DIR HALOLAB_HOME
export LXD_DIR=$lab/lxd HALOLAB_TEST_LXD=$lab/lxd/unix.socket
export HALOLAB_TEST_CACHE=${HALOLAB_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/halolab-test}
mkdir -p "$HALOLAB_TEST_CACHE"

export HALOLAB_TEST_BRIDGE=$bridge
export HALOLAB_TEST_POINTS=${HALOLAB_TEST_POINTS:-${full:+full}}
export HALOLAB_TEST_POINTS=${HALOLAB_TEST_POINTS:-smoke}
import() { # ALIAS FILE
  lxc image import -q "$2" --alias "$1" >/dev/null
}
tests/lab/busybox-image.sh "$HALOLAB_TEST_CACHE/bb.tar.gz"
import lab/bb "$HALOLAB_TEST_CACHE/bb.tar.gz"
if [ -z "$fast" ]; then
  image=$(tests/lab/debian-image.sh "$HALOLAB_TEST_CACHE")
  import lab/debian "$image"
  export HALOLAB_TEST_DEBIAN=lab/debian
fi
if [ -n "$incus" ]; then
  HALOLAB_TEST_INCUS=$(tests/lab/incus.sh up "$lab/incus" hlincus$number 10.$((170 + number)).77)
  export HALOLAB_TEST_INCUS
  tests/lab/incus.sh import "$lab/incus" lab/bb "$HALOLAB_TEST_CACHE/bb.tar.gz"
  say "Incus ready as $HALOLAB_TEST_INCUS"
fi
if [ "${HALOLAB_TEST_DOCKER:-}" != skip ]; then
  unset DOCKER_HOST DOCKER_CONTEXT
  HALOLAB_TEST_DOCKER=$(tests/lab/docker.sh up "$lab/docker")
  export HALOLAB_TEST_DOCKER
  tests/lab/docker.sh import "$lab/docker" lab/bb "$HALOLAB_TEST_CACHE/bb.tar.gz"
fi
# the image of workspaces is built on Debian's, which takes a minute more
[ -z "$fast" ] || export HALOLAB_TEST_WORKSPACE=skip
say "LXD $(lxc query /1.0 | jq -r '.environment.server_version') ready after $SECONDS s"

code=0
output=target/tests.log
mkdir -p target
# Each failed test has a second try by itself, so that one which only fails beside others on a busy machine says so; both
# are named at the end, and target/tests.log has every word of the first.
again() {
  local target name left=0
  printf '\n'
  say "failed at first, in the words of $output:"
  grep -a -A 6 -E "^thread '.*panicked at" "$output" | cut -c1-300 | head -n 120
  while read -r target name; do
    # shellcheck disable=SC2086
    if cargo test --locked $target -- --exact "$name" >"$output.again" 2>&1 9>&- &&
      grep -q '^test result: ok. 1 passed' "$output.again"; then
      say "UNSTEADY: $name ($target) failed beside the others, and passed by itself"
    else
      say "FAILED twice: $name ($target)"
      tail -n 40 "$output.again"
      left=1
    fi
  done < <(tests/failed.sh "$output")
  return $left
}
cargo test --locked --no-fail-fast "$@" 9>&- 2>&1 | tee "$output" || code=$?
if [ $code != 0 ]; then
  # a program that does not build, or was killed, has no second try
  programs=$(sed -n '/^error: [0-9]* targets* failed:/,$p' "$output" | grep -c '^    `' || true)
  if [ "$programs" -gt 0 ] && [ "$(tests/failed.sh "$output" | cut -d' ' -f1 | sort -u | wc -l)" = "$programs" ]; then
    again && code=0
  fi
fi
if [ $code = 0 ] && [ -z "$fast" ] && [ $# = 0 ]; then
  say "the scripts of the shipped stages, after $SECONDS s"
  tests/stage_scripts.sh "$HALOLAB_TEST_LXD" 9>&- || code=$?
fi
[ $code = 0 ] && say "all tests passed in $SECONDS s" || say "FAILED (exit code $code) after $SECONDS s"
exit $code
