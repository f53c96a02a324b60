#!/bin/bash
# incus.sh up DIR BRIDGE SUBNET : Incus 6 out of a Debian trixie root in namespaces of its own; prints its socket
# incus.sh import DIR ALIAS FILE : imports a unified image
# incus.sh down DIR BRIDGE      : stops it with all its instances, and removes every trace of it
# The root is built once (a minute) into HALOLAB_TEST_CACHE; the running one is an overlay over it. Root.
set -euo pipefail
action=$1 dir=$2 bridge=${3:-} here=$(cd "$(dirname "$0")" && pwd)
cache=${HALOLAB_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/halolab-test}
base=$cache/incus-root socket=$dir/data/unix.socket

build() {
  local mirror
  "$here/packages.sh" mmdebstrap
  mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2>/dev/null || true; } |
    sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb  *\(\[[^]]*\]  *\)\{0,1\}\([^ ]*\) .*/\2/p' | head -n 1)
  mkdir -p "$cache"
  rm -rf --one-file-system "$base" "$base.new"
  apt-config dump | grep -E '^Acquire::(http|https|Check)' | grep -v '"";' >"$cache/apt.conf" || true
  mmdebstrap --quiet --variant=minbase --mode=root --aptopt="$cache/apt.conf" --dpkgopt=force-unsafe-io \
    --aptopt='APT::Install-Recommends "false"' \
    --include=incus-base,incus-client,btrfs-progs,dnsmasq-base,nftables,iptables,iproute2,squashfs-tools,xz-utils,procps \
    trixie "$base.new" "$mirror"
  chroot "$base.new" sh -c 'getent group incus-admin >/dev/null || groupadd --system incus-admin'
  for file in subuid subgid; do grep -q ^root: "$base.new/etc/$file" || echo root:1000000:1000000000 >>"$base.new/etc/$file"; done
  mv "$base.new" "$base"
}

ask() { # METHOD PATH [JSON]
  curl -fsS -m 60 --unix-socket "$socket" -X "$1" ${3:+-H 'Content-Type: application/json' -d "$3"} "http://incus$2"
}

up() {
  local subnet=$1
  [ -e "$base/usr/libexec/incus/incusd" ] || build
  mkdir -p "$dir"/{upper,work,root,data,log}
  # a plain chroot would forbid user namespaces, so the root is pivoted to; killing `unshare` ends all of it
  setsid unshare --mount --pid --fork --kill-child --mount-proc --propagation private bash -euc '
    dir=$0 base=$1 root=$0/root
    mount -t overlay overlay -o "lowerdir=$base,upperdir=$dir/upper,workdir=$dir/work" "$root"
    mkdir -p "$root"/{.old,var/lib/incus,var/lib/lxcfs}
    mount --rbind /dev "$root/dev"; mount --rbind /sys "$root/sys"; mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/run"; mount --bind "$dir/data" "$root/var/lib/incus"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"; cp /etc/hosts "$root/etc/hosts"
    cd "$root"; pivot_root . .old; cd /; umount -l /.old; mount --make-rshared /
    PATH=/usr/libexec/incus:/usr/sbin:/usr/bin:/sbin:/bin exec incusd --group incus-admin' "$dir" "$base" \
    >"$dir/log/incusd.out" 2>&1 </dev/null 9>&- &
  echo $! >"$dir/pid"
  for _ in $(seq 150); do ask GET /1.0 >/dev/null 2>&1 && break; sleep .2; done
  ask GET /1.0 >/dev/null || { tail -20 "$dir/log/incusd.out" >&2; return 1; }
  {
    ask POST /1.0/storage-pools '{"name":"default","driver":"btrfs","config":{"size":"8GiB"}}'
    ask POST /1.0/networks "{\"name\":\"$bridge\",\"type\":\"bridge\",\"config\":{\"ipv4.address\":\"$subnet.1/24\",\"ipv4.nat\":\"true\",\"ipv6.address\":\"none\"}}"
    ask PUT /1.0/profiles/default "{\"config\":{},\"description\":\"\",\"devices\":{\"root\":{\"type\":\"disk\",\"path\":\"/\",\"pool\":\"default\"},\"eth0\":{\"type\":\"nic\",\"name\":\"eth0\",\"network\":\"$bridge\"}}}"
  } >/dev/null
  echo "$socket"
}

import() { # ALIAS FILE
  local operation
  operation=$(curl -fsS --unix-socket "$socket" -H 'Content-Type: application/octet-stream' --data-binary "@$2" \
    http://incus/1.0/images | jq -r .operation)
  ask GET "$operation/wait?timeout=60" | jq -e '.metadata.status_code == 200' >/dev/null
  ask POST /1.0/images/aliases "{\"name\":\"$1\",\"target\":\"$(sha256sum "$2" | cut -d' ' -f1)\"}" >/dev/null
}

down() {
  local pid chain operation
  pid=$(cat "$dir/pid" 2>/dev/null || true)
  if [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$dir"; then
    # stopped by the daemon, instances leave no control groups behind
    operation=$(ask PUT /1.0/instances '{"state":{"action":"stop","force":true}}' 2>/dev/null | jq -r .operation) || operation=
    [ -z "$operation" ] || ask GET "$operation/wait?timeout=20" >/dev/null 2>&1 || true
    kill -KILL "$pid" 2>/dev/null || true
    for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep .1; done
  fi
  ip link del "$bridge" 2>/dev/null || true
  for chain in fwd pstrt in out; do nft delete chain inet incus "$chain.$bridge" 2>/dev/null || true; done
  rm -rf --one-file-system "$dir"
}

case $action in
  up) up "$4" ;;
  import) import "$3" "$4" ;;
  down) down ;;
  *) echo "usage: incus.sh up|import|down DIR ..." >&2; exit 2 ;;
esac
