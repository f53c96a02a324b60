#!/bin/bash
# docker.sh up DIR        : a private dockerd with a containerd of its own, all of it in DIR, in network and mount
#                           namespaces of its own (a second dockerd beside another deletes its bridge); prints the socket
# docker.sh import DIR NAME IMAGE : makes the root of a unified image (tests/lab/busybox-image.sh) an image of it
# docker.sh link DIR BRIDGE ADDRESS/LENGTH GATEWAY : gives it a way out over a bridge, for builds with --network=host
# docker.sh down DIR      : stops it with all its containers, and removes every trace of it
# No registry and no network is needed. Neither looks at any other engine of this machine. Root.
set -euo pipefail
action=$1 dir=$2
socket=$dir/docker.sock
parent=$(basename "$dir" | tr -c 'a-zA-Z0-9\n' -)

# dockerd asks for cgroups: those of version 1 where they are mounted, else version 2.
prepare() {
  mountpoint -q /sys/fs/cgroup || ls -d /sys/fs/cgroup/*/ >/dev/null 2>&1 || mount -t cgroup2 cgroup2 /sys/fs/cgroup
}

up() {
  prepare
  mkdir -p "$dir/log" "$dir/data" "$dir/exec"
  cat >"$dir/containerd.toml" <<C
version = 2
root = "$dir/containerd"
state = "$dir/exec/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
address = "$dir/containerd.sock"
C
  # what the machine's own /etc/docker/daemon.json says is not for this one
  echo '{}' >"$dir/daemon.json"
  # shellcheck disable=SC2016
  setsid -f unshare --net --mount bash -c '
    dir=$1 parent=$2
    ip link set lo up
    containerd --config "$dir/containerd.toml" >"$dir/log/containerd.log" 2>&1 &
    echo $! >"$dir/containerd.pid"
    for _ in $(seq 200); do [ ! -S "$dir/containerd.sock" ] || break; sleep .1; done
    exec dockerd --host="unix://$dir/docker.sock" --containerd="$dir/containerd.sock" --data-root="$dir/data" \
      --exec-root="$dir/exec" --pidfile="$dir/docker.pid" --config-file="$dir/daemon.json" --cgroup-parent="/$parent" \
      --bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --userland-proxy=true
  ' docker.sh "$dir" "$parent" >"$dir/log/dockerd.log" 2>&1 </dev/null 9>&-
  for _ in $(seq 300); do
    [ "$(curl -s --max-time 5 --unix-socket "$socket" http://docker/_ping 2>/dev/null)" != OK ] || { echo "$socket"; return; }
    [ ! -s "$dir/containerd.pid" ] || [ -n "$(ours)" ] || break
    sleep .2
  done
  tail -n 20 "$dir/log/dockerd.log" "$dir/log/containerd.log" >&2
  return 1
}

import() { # NAME IMAGE.tar.gz
  local work answer; work=$(mktemp -d)
  tar -C "$work" -xzf "$2" rootfs
  answer=$(tar -C "$work/rootfs" -cf - . | curl -sS --fail-with-body --unix-socket "$socket" -X POST -T - \
    -H 'Content-Type: application/x-tar' "http://docker/images/create?fromSrc=-&repo=${1%:*}&tag=latest") ||
    { echo "$answer" >&2; rm -rf "$work"; return 1; }
  rm -rf "$work"
}

link() { # BRIDGE ADDRESS/LENGTH GATEWAY
  local pid name; pid=$(cat "$dir/docker.pid") name=hlv$(printf '%s' "$dir" | cksum | cut -c1-8)
  ip link add "$name" type veth peer name eth0 netns "$pid"
  ip link set "$name" master "$1" up
  nsenter -t "$pid" -n sh -eu -c 'ip addr add "$1" dev eth0; ip link set eth0 up; ip route add default via "$2"' sh "$2" "$3"
}

# Our daemons and the containers' monitors: all of them name our folder.
ours() {
  local process
  for process in /proc/[0-9]*; do
    case $({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null) in
      dockerd\ *"$dir/docker.sock"* | containerd\ *"$dir/containerd.toml"* | *containerd-shim*"$dir/containerd.sock"*) echo "${process#/proc/}" ;;
    esac
  done
}

down() {
  local signal pid
  # dockerd stops its containers itself where it can
  [ ! -s "$dir/docker.pid" ] || kill -TERM "$(cat "$dir/docker.pid")" 2>/dev/null || true
  for _ in $(seq 150); do [ -n "$(pgrep -F "$dir/docker.pid" 2>/dev/null)" ] || break; sleep .1; done
  for signal in TERM KILL; do
    for pid in $(ours); do
      case $({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null) in
        *containerd-shim*) pkill -KILL -P "$pid" 2>/dev/null || true ;;
      esac
      kill -s $signal "$pid" 2>/dev/null || true
    done
    for _ in $(seq 30); do [ -n "$(ours)" ] || break; sleep .1; done
  done
  find /sys/fs/cgroup -depth -type d -path "*/$parent*" -exec rmdir {} + 2>/dev/null || true
  rm -rf --one-file-system "$dir"
}

case $action in
  up) up ;;
  import) import "$3" "$4" ;;
  link) link "$3" "$4" "$5" ;;
  down) down ;;
  *) echo "usage: docker.sh up|import|link|down DIR [NAME IMAGE | BRIDGE ADDRESS GATEWAY]" >&2; exit 2 ;;
esac
