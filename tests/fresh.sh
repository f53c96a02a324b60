#!/bin/bash
# A fresh Debian machine, for real: a minimal root in its own mount, network and process namespaces, without systemd,
# whose firewall drops what is forwarded as after a start of Docker. Runs each step of the host stage there as the
# program does (check, run, check, run again), then a lab with network. Long; root; not a part of tests/run.sh.
# With --program the machine gets nothing but halolab, and one command makes it a lab with the snapshot `clean`.
#   tests/fresh.sh [--suite bookworm] [--engine auto|lxd|incus] [--program FILE [--user]] [--keep-root]
# With --user a person with sudo types it instead of root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
suite=bookworm engine=auto program='' person='' keep=''
while [ $# -gt 0 ]; do
  case $1 in
    --suite) suite=$2; shift ;;
    --engine) engine=$2; shift ;;
    --program) program=$(realpath "$2"); shift ;;
    --user) person=1 ;;
    --keep-root) keep=1 ;;
    *) sed -n '2,7s/^# \{0,1\}//p' tests/fresh.sh; exit 2 ;;
  esac
  shift
done
[ "$(id -u)" = 0 ] || { echo "fresh: namespaces need root" >&2; exit 2; }
tests/lab/packages.sh mmdebstrap busybox-static iproute2 iptables python3 util-linux
cache=${HALOLAB_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/halolab-test}
mkdir -p "$cache"
say() { printf 'fresh: %5s s  %s\n' "$SECONDS" "$*"; }

box=$(mktemp -d /var/tmp/halolab-fresh.XXXXXX)
root=$box/root space=hlfresh$$ link=hlf$$ net=10.158.77
forward() { # -I or -D: our link through this machine's firewall, behind its address
  iptables -w -t nat "${1/I/A}" POSTROUTING -s $net.0/24 ! -d $net.0/24 -j MASQUERADE
  iptables -w "$1" FORWARD -i "$link" -j ACCEPT
  iptables -w "$1" FORWARD -o "$link" -j ACCEPT
}
stop() {
  local code=$?
  trap '' INT TERM HUP
  forward -D 2>/dev/null || true
  ip link del "$link" 2>/dev/null || true
  ip netns del "$space" 2>/dev/null || true
  [ -n "$keep" ] && say "kept: $root" || rm -rf --one-file-system "$box"
  exit $code
}
trap stop EXIT
trap 'exit 130' INT; trap 'exit 143' TERM HUP

# the root: what a minimal installation has, with this machine's package sources of the same release
say "building the root"
mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2>/dev/null || true; } |
  sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb  *\(\[[^]]*\]  *\)\{0,1\}\([^ ]*\) .*/\2/p' | head -n 1)
apt-config dump | grep -E '^Acquire::(http|https|Check)' | grep -v '"";' >"$box/apt.conf" || true
mmdebstrap --quiet --variant=minbase --mode=root --aptopt="$box/apt.conf" --dpkgopt=force-unsafe-io \
  --include=ca-certificates,procps,mount${program:+,iptables}${person:+,sudo} "$suite" "$root" "$mirror"
tests/lab/busybox-image.sh "$root/root/bb.tar.gz"

# the steps, as the program runs them
python3 - stages/host "$root/root/steps" <<'P'
import pathlib, sys, tomllib
folder, out = map(pathlib.Path, sys.argv[1:])
out.mkdir()
stage = tomllib.loads((folder / "stage.toml").read_text())
def text(script): return script.get("inline") or (folder / script["file"]).read_text()
for number, step in enumerate(stage["step"]):
    name = f"{number}-{step['id']}"
    script = step["run"].get("debian") or step["run"]["any"]
    (out / f"{name}.run").write_text(text(script))
    (out / f"{name}.check").write_text(text(step["check"]))
P
cat >"$root/root/inside.sh" <<'I'
set -eu
export HOST_USER=me OPT_GROUP=0 OPT_BOOTSTRAP=debian PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset LXD_DIR INCUS_DIR LXD_SOCKET INCUS_SOCKET 2>/dev/null || true
cd /root
useradd me
for run in steps/*.run; do
  step=${run%.run}
  started=$(date +%s%3N)
  # as after a start of Docker: what is forwarded is dropped
  case $step in *firewall) iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -I FORWARD -j DOCKER-USER ;; esac
  if sh -eu "$step.check"; then before=0; else before=$?; fi
  [ $before != 0 ] || { echo "FAILED: $step.check says that nothing is to be done on a fresh machine"; exit 1; }
  sh -eu "$run" >"$step.log" 2>&1 || { tail -20 "$step.log"; echo "FAILED: $run"; exit 1; }
  sh -eu "$step.check" || { cat "$step.log"; echo "FAILED: $step.check after $run"; exit 1; }
  sh -eu "$run" >"$step.again" 2>&1 || { tail -20 "$step.again"; echo "FAILED the second time: $run"; exit 1; }
  echo "fresh:   $step: $(($(date +%s%3N) - started)) ms; $(tail -n 1 "$step.log")"
done
case $step in *bootstrap-tools) command -v mmdebstrap >/dev/null ;; esac

client=incus bridge=incusbr0; if command -v lxd >/dev/null; then client=lxc bridge=lxdbr0; fi
started=$(date +%s%3N)
$client storage create -q default btrfs size=2GiB
$client network create -q $bridge ipv4.address=10.159.77.1/24 ipv4.nat=true ipv6.address=none
$client profile -q device add default root disk path=/ pool=default
$client profile -q device add default eth0 nic name=eth0 network=$bridge
$client image import -q bb.tar.gz --alias lab/bb
$client launch -q lab/bb one
reached=
for try in $(seq 60); do
  if $client exec one -- sh -c "nslookup $MIRROR_HOST >/dev/null 2>&1 && nc -w 3 $MIRROR_HOST $MIRROR_PORT </dev/null"; then reached=1; break; fi
  sleep .3
done
[ -n "$reached" ] || { iptables -S; echo "FAILED: the lab has no network behind the firewall"; exit 1; }
echo "fresh:   a lab runs and reaches the package mirror behind FORWARD DROP: $(($(date +%s%3N) - started)) ms"
# without the exceptions it must not: else the line above proves nothing
iptables -F DOCKER-USER
if $client exec one -- nc -w 3 "$MIRROR_HOST" "$MIRROR_PORT" </dev/null; then
  echo "FAILED: the firewall of this test drops nothing"; exit 1
fi
$client delete -f one
I

if [ -n "$program" ]; then
  install -m 755 "$program" "$root/usr/local/bin/halolab"
  mkdir -p "$root/etc/halolab/stages/fresh-lab"
  cat >"$root/etc/halolab/stages/fresh-lab/stage.toml" <<'S'
version = 1
id = "fresh-lab"
title = "Fresh lab"
summary = "The smallest lab that there is"
backend = "lxd"

[[image]]
id = "file"
title = "An image file"
family = "any"
source.file = {}

[[step]]
id = "mark"
title = "Leave a mark"
run.any.inline = "echo made >/mark"

[[verify]]
id = "marked"
title = "Look for the mark"
run.any.inline = "cat /mark"
S
  cat >"$root/root/inside.sh" <<'I'
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
cd /root
iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -I FORWARD -j DOCKER-USER
cp bb.tar.gz /tmp/bb.tar.gz
halolab() { /usr/local/bin/halolab "$@"; }
if [ "$PERSON" = 1 ]; then
  useradd -m -s /bin/sh me
  echo 'me ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/me
  halolab() { setpriv --reuid me --regid me --init-groups env HOME=/home/me USER=me /usr/local/bin/halolab "$@"; }
fi
started=$(date +%s%3N)
# the stage is none of the program's: it is looked at and trusted as a person does it
text=$(halolab stage trust fresh-lab --json | grep -o '"sha256":[ ]*"[0-9a-f]*"' | grep -o '[0-9a-f]\{64\}')
halolab stage trust fresh-lab --trust "$text"
halolab apply fresh-lab --set image_file=/tmp/bb.tar.gz --yes
echo "fresh:   from nothing to a lab: $(($(date +%s%3N) - started)) ms"
halolab status
halolab snapshot list fresh-lab | grep -w clean
halolab shell fresh-lab -- sh -c "nslookup $MIRROR_HOST >/dev/null && nc -w 3 $MIRROR_HOST $MIRROR_PORT" </dev/null
echo "fresh:   the lab reaches the package mirror behind FORWARD DROP"
started=$(date +%s%3N)
halolab apply fresh-lab --choose restore:clean --yes
echo "fresh:   restored: $(($(date +%s%3N) - started)) ms"

if [ "$PERSON" = 1 ]; then
  socket=$(ls /var/lib/lxd/unix.socket /var/lib/incus/unix.socket 2>/dev/null | head -n 1)
  [ "$(stat -c '%U %a' "$socket")" = 'root 660' ] || { ls -l "$socket"; echo "FAILED: the socket is not root's and its group's"; exit 1; }
  id -nG me | grep -qwE 'lxd|incus-admin' || { echo "FAILED: the user is in no group"; exit 1; }
  halolab status | grep -q "at $socket" || { echo "FAILED: status does not name the engine's own socket"; exit 1; }
  [ -z "$(ls -d /tmp/halolab-group-* 2>/dev/null)" ] || { echo "FAILED: relays leave folders behind"; exit 1; }
fi

# As after a restart of the machine: no process is left, the socket's file and the lab are; nothing starts the engine.
kill_all() { for p in $(ps -eo pid=,comm= | awk '$2 ~ /^(lxd|incusd|lxcfs|dnsmasq|lxc-start|forkstart|busybox|init)$/ && $1 != 1 {print $1}'); do kill -9 "$p" 2>/dev/null || true; done; }
kill_all; sleep 1; kill_all
umount -l /var/lib/lxcfs 2>/dev/null || true
iptables -P FORWARD DROP; iptables -F FORWARD; iptables -F DOCKER-USER; iptables -I FORWARD -j DOCKER-USER
if halolab status >/tmp/status 2>&1; then echo "FAILED: status without an engine succeeds"; exit 1; fi
grep -q 'does not run .*halolab start' /tmp/status || { cat /tmp/status; echo "FAILED: status does not say how to start the engine"; exit 1; }
if grep -q systemctl /tmp/status; then echo "FAILED: there is no systemd here"; exit 1; fi
halolab plan fresh-lab >/tmp/plan
grep -Eq 'start (LXD|Incus)' /tmp/plan || { cat /tmp/plan; echo "FAILED: the plan does not start the engine"; exit 1; }
if grep -q 'fresh-lab' /tmp/plan; then cat /tmp/plan; echo "FAILED: the plan says something of labs that it cannot see"; exit 1; fi
halolab doctor 2>&1 | grep -q engine.stopped
started=$(date +%s%3N)
halolab apply fresh-lab --choose restore:clean --yes
echo "fresh:   from a dead engine to a restored lab by one command: $(($(date +%s%3N) - started)) ms"
reached=
for try in $(seq 60); do
  if halolab shell fresh-lab -- sh -c "nc -w 3 $MIRROR_HOST $MIRROR_PORT" </dev/null 2>/dev/null; then reached=1; break; fi
  sleep .3
done
[ -n "$reached" ] || { echo "FAILED: the lab has no network after the restart"; exit 1; }
echo "fresh:   its network works behind a firewall that was set anew"
I
fi

ip netns add "$space"
ip link add "$link" type veth peer name eth0 netns "$space"
ip addr add $net.1/24 dev "$link"; ip link set "$link" up
ip -n "$space" link set lo up; ip -n "$space" addr add $net.2/24 dev eth0; ip -n "$space" link set eth0 up
ip -n "$space" route add default via $net.1
[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || echo 1 >/proc/sys/net/ipv4/ip_forward
forward -I
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
address=${mirror#*//}; address=${address%%/*}
port=${address#*:}; [ "$port" != "$address" ] || { port=80; case $mirror in https:*) port=443 ;; esac; }
# names that only this machine's hosts file knows
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
grep -w "${address%%:*}" /etc/hosts >>"$root/etc/hosts" || true

# what dpkg left in memory would stall the first write of the engine's database
sync -f "$root"
say "a machine of its own, without systemd"
code=0
export PERSON=$person OPT_ENGINE=$engine MIRROR_HOST=${address%%:*} MIRROR_PORT=$port
nsenter --net=/run/netns/"$space" unshare --mount --pid --fork --mount-proc --propagation private bash -euc '
  root=$0
  mount --bind "$root" "$root"
  cgroup=$(mktemp -d); mount --rbind /sys/fs/cgroup "$cgroup"
  mount --rbind /dev "$root/dev"; mount -t proc proc "$root/proc"; mount -t sysfs sysfs "$root/sys"
  mount --rbind "$cgroup" "$root/sys/fs/cgroup"; mount -t tmpfs tmpfs "$root/run"
  mkdir -p "$root/.old"; cd "$root"; pivot_root . .old; cd /; umount -l /.old
  sysctl -qw net.ipv4.ip_forward=0
  exec sh /root/inside.sh' "$root" || code=$?
[ $code = 0 ] && say "a fresh $suite machine has a lab" || say "FAILED"
exit $code
