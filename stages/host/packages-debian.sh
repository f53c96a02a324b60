# Debian, Ubuntu and their derivatives: the engine that the wanted package sources have.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
apt() { apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"; }
known() { apt-cache policy "$1" 2>/dev/null | grep -q '^ *Candidate: [^(]'; }
# what is not there yet is written down right before it is made: uninstall takes back that and nothing else
made() { [ -z "${HALOLAB_RECEIPT:-}" ] || printf '%s\n' "$*" >>"$HALOLAB_RECEIPT"; }
# new_packages NAME...: writes down those that are not installed yet
new_packages() {
  for name in "$@"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || made package apt "$name"
  done
}
id=$(. /etc/os-release && echo "${ID:-}")

# Without systemd no package may start its daemon: that is the next step's task.
if [ ! -d /run/systemd/system ] && [ ! -e /usr/sbin/policy-rc.d ]; then
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
fi

apt update
engine=${OPT_ENGINE:-auto}
if [ "$engine" = auto ]; then
  engine=lxd
  # Ubuntu's package of LXD only fetches the snap
  if [ "$id" = ubuntu ] || ! known lxd; then
    if known incus; then engine=incus; fi
  fi
fi
tools="btrfs-progs dnsmasq-base iproute2 nftables iptables ca-certificates squashfs-tools xz-utils rsync"
if [ "$engine" = incus ]; then
  known incus || { echo "This release has no package incus: choose LXD, or add Debian's backports, then run this again." >&2; exit 1; }
  # incus-base is Incus without virtual machines and their emulator
  if known incus-base; then base="incus-base incus-client"; else base=incus; fi
  # shellcheck disable=SC2086
  new_packages $base lxcfs $tools
  # shellcheck disable=SC2086
  apt install -y --no-install-recommends $base lxcfs $tools
elif [ "$id" != ubuntu ] && known lxd; then
  # shellcheck disable=SC2086
  new_packages lxd lxd-client lxcfs $tools
  # shellcheck disable=SC2086
  apt install -y --no-install-recommends lxd lxd-client lxcfs $tools
else
  [ -d /run/systemd/system ] || { echo "LXD is a snap here, and snaps need systemd: choose Incus instead." >&2; exit 1; }
  # shellcheck disable=SC2086
  new_packages snapd $tools
  # shellcheck disable=SC2086
  apt install -y --no-install-recommends snapd $tools
  snap list lxd >/dev/null 2>&1 || { made package snap lxd; snap install lxd; }
fi
echo "$engine is installed"
