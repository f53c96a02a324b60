#!/bin/bash
# lxd.sh up DIR BRIDGE SUBNET : a private LXD in DIR (its own database, loop pool `default` and bridge), and returns
# lxd.sh down DIR BRIDGE      : stops it with all its instances, and removes every trace of it
# Neither looks at any other LXD of this machine. Root; with or without systemd.
set -euo pipefail
action=$1 dir=$2 bridge=$3

# What LXD expects of a machine that booted without systemd.
prepare() {
  mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
  [ -c /dev/fuse ] || mknod /dev/fuse c 10 229
  for file in /etc/subuid /etc/subgid; do
    touch $file
    grep -q '^root:' $file || echo 'root:1000000:1000000000' >>$file
  done
  sysctl -qw fs.inotify.max_user_instances=1024 kernel.keys.maxkeys=4000 2>/dev/null || true
  [ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || echo 1 >/proc/sys/net/ipv4/ip_forward
}

up() {
  local subnet=$1
  prepare
  mkdir -p "$dir/log"
  LXD_DIR=$dir/lxd setsid -f lxd --group lxd --logfile="$dir/log/lxd.log" >"$dir/log/lxd.out" 2>&1 </dev/null 9>&-
  LXD_DIR=$dir/lxd lxd waitready --timeout=60 || { tail -20 "$dir/log/lxd.out" "$dir/log/lxd.log" >&2; return 1; }
  LXD_DIR=$dir/lxd lxd init --preseed <<P
config: {images.auto_update_interval: "0"}
networks:
  - {name: $bridge, type: bridge, config: {ipv4.address: $subnet.1/24, ipv4.nat: "true", ipv6.address: none}}
storage_pools: [{name: default, driver: btrfs, config: {size: ${HALOLAB_TEST_POOL:-20GiB}}}]
profiles:
  - name: default
    devices:
      root: {path: /, pool: default, type: disk}
      eth0: {name: eth0, network: $bridge, type: nic}
P
}

# Processes that name our folder: the daemon, its helpers, container monitors and dnsmasq.
ours() {
  local process
  for process in /proc/[0-9]*; do
    { tr '\0' '\n' <"$process/environ" | grep -qx "LXD_DIR=$dir/lxd"; } 2>/dev/null ||
      { tr '\0' ' ' <"$process/cmdline" | grep -q "$dir/lxd/"; } 2>/dev/null || continue
    [ "$(basename "$(readlink "$process/exe" 2>/dev/null || echo none)")" != bash ] || continue
    case $(tr '\0' ' ' <"$process/cmdline" 2>/dev/null) in
      lxd\ * | *"/lxd "* | *lxc\ monitor* | *dnsmasq* | *forkproxy*) echo "${process#/proc/}" ;;
    esac
  done
}

rules() { # iptables -t TABLE -S, those of our bridge, as deletions
  iptables -w -t "$1" -S 2>/dev/null | grep -E -- "(-i|-o) $bridge |LXD network $bridge" | sed 's/^-A/-D/' || true
}

down() {
  LXD_DIR=$dir/lxd timeout 60 lxd shutdown --timeout=20 >/dev/null 2>&1 || true
  local signal pid chain mount line table
  for signal in TERM KILL; do
    for pid in $(ours); do
      # what a monitor watches is the first process of a container: with it the whole container goes
      case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in
        *lxc\ monitor*) pkill -KILL -P "$pid" 2>/dev/null || true ;;
      esac
      kill -s $signal "$pid" 2>/dev/null || true
    done
    for _ in $(seq 20); do [ -n "$(ours)" ] || break; sleep .1; done
  done
  ip link del "$bridge" 2>/dev/null || true
  for chain in fwd pstrt in out; do nft delete chain inet lxd "$chain.$bridge" 2>/dev/null || true; done
  for table in filter nat mangle; do
    rules $table | while read -r line; do eval "iptables -w -t $table $line" 2>/dev/null || true; done
  done
  awk -v dir="$dir/" 'index($2, dir) == 1 {print $2}' /proc/mounts | sort -r | while read -r mount; do
    umount -l "$mount" 2>/dev/null || true
  done
  rm -rf --one-file-system "$dir"
}

case $action in
  up) up "$4" ;;
  down) down ;;
  *) echo "usage: lxd.sh up|down DIR BRIDGE [SUBNET]" >&2; exit 2 ;;
esac
