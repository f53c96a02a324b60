# Builds a unified LXD/Incus image of Debian or Ubuntu from package sources, without an image server. Root.
#   HALOLAB_DISTRIBUTION debian|ubuntu   HALOLAB_SUITE bookworm, noble, ...   HALOLAB_OUT the image file
#   HALOLAB_PACKAGES on top of the base, separated by spaces   HALOLAB_MIRROR instead of the host's own or the public one
# Runs in a mount namespace of its own (`unshare --mount`), so that its scratch space in memory vanishes with it.

umask 022
distribution=$HALOLAB_DISTRIBUTION suite=$HALOLAB_SUITE work=$HALOLAB_OUT.work
say() { printf '[%3s %%] ' "$1"; shift; echo "$*"; }

trap 'umount -l "$work" 2>/dev/null; rm -rf --one-file-system "$work" "$HALOLAB_OUT.part"' EXIT
trap 'exit 143' TERM INT HUP
rm -rf --one-file-system "$work" # of a build that was killed
mkdir -p "$work"
# dpkg's many small writes are three times as quick in memory; 3 GiB is what a base system needs with room to spare
free=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
if [ "${free:-0}" -gt 6000000 ]; then mount -t tmpfs -o mode=755,size=3g halolab "$work"; fi
chmod 755 "$work"
root=$work/rootfs

# ---- where the packages come from
local_sources() { # URI SUITE of each package source of this host
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -n 's/^deb  *\(\[[^]]*\]  *\)\{0,1\}\([^ ]*\)  *\([^ ]*\).*/\2 \3/p'
  for file in /etc/apt/sources.list.d/*.sources; do
    [ ! -e "$file" ] || awk -F': *' '
      /^[[:space:]]*$/ {u = ""; s = ""}
      /^URIs:/ {u = $2} /^Suites:/ {s = $2}
      u != "" && s != "" {n = split(s, list, " "); split(u, uris, " "); for (i = 1; i <= n; i++) print uris[1], list[i]; s = ""}
    ' "$file"
  done
}
host=$(. /etc/os-release 2>/dev/null && echo "${ID:-}")
mirror=${HALOLAB_MIRROR:-} security=
if [ -z "$mirror" ] && [ "$host" = "$distribution" ]; then
  here=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  mirror=$(local_sources | awk -v s="$here" '$2 == s && $1 ~ /^https?:/ {print $1; exit}')
  security=$(local_sources | awk -v s="$here-security" '$2 == s && $1 ~ /^https?:/ {print $1; exit}')
fi
case $distribution in
  debian)
    [ -n "$mirror" ] || { mirror=http://deb.debian.org/debian security=http://deb.debian.org/debian-security; }
    components=main keyring=/usr/share/keyrings/debian-archive-keyring.gpg ;;
  ubuntu)
    [ -n "$mirror" ] || { mirror=http://archive.ubuntu.com/ubuntu security=http://security.ubuntu.com/ubuntu; }
    components="main universe" keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg ;;
  *) echo "no bootstrap for the distribution $distribution" >&2; exit 2 ;;
esac
sources() { # the image's own sources.list; debootstrap and mmdebstrap read the same lines
  echo "deb $mirror $suite $components"
  case $suite in sid | unstable) return ;; esac
  echo "deb $mirror $suite-updates $components"
  [ -z "$security" ] || echo "deb $security $suite-security $components"
}

# ---- what goes in. ifupdown, because systemd-networkd waits for udev events that an unprivileged container never gets
packages=systemd,systemd-sysv,dbus,ifupdown,isc-dhcp-client,ca-certificates,iproute2,iputils-ping,procps,less,nano
for name in ${HALOLAB_PACKAGES:-}; do packages=$packages,$name; done

# The host's proxy and certificate settings for apt, without what points at this host itself or at its programs.
apt_settings() {
  command -v apt-config >/dev/null 2>&1 || return 0
  apt-config dump 2>/dev/null |
    grep -E '^Acquire::(http|https|ftp|Retries|Check-Valid-Until|Check-Date|AllowInsecureRepositories)' |
    grep -Evi '"";|Auto-?Detect|//(localhost|127\.)' || true
}
apt_settings >"$work/apt.conf"

case $mirror in
  *//localhost* | *//127.*) echo "the mirror $mirror is this machine: inside a lab it will not be found" >&2 ;;
esac

say 5 "fetching and unpacking $distribution $suite from $mirror"
if command -v mmdebstrap >/dev/null 2>&1; then
  set -- --variant=minbase --mode=root --include="$packages" --aptopt="$work/apt.conf" \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io
  for folder in man doc locale info; do set -- "$@" --dpkgopt="path-exclude=/usr/share/$folder/*"; done
  [ ! -e $keyring ] || set -- "$@" --keyring=$keyring
  sources | mmdebstrap "$@" "$suite" "$root" - 2>&1
elif command -v debootstrap >/dev/null 2>&1; then
  [ ! -e $keyring ] || set -- --keyring=$keyring
  debootstrap --variant=minbase --include="$packages" --components="$(echo "$components" | tr ' ' ,)" "$@" \
    "$suite" "$root" "$mirror"
else
  echo "neither mmdebstrap nor debootstrap is installed" >&2
  exit 127
fi

say 75 "settings"
rm -rf "$root"/etc/hostname "$root"/etc/resolv.conf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* \
  "$root"/var/cache/apt/archives/*.deb "${root:?}"/dev/* "$root"/run/* "$root"/tmp/*
: >"$root/etc/machine-id"
sources >"$root/etc/apt/sources.list"
# what was right for building only: no recommended packages, no documentation, no waiting for the disk
rm -f "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
[ ! -s "$work/apt.conf" ] || cp "$work/apt.conf" "$root/etc/apt/apt.conf.d/90host"
sed -n 's/.*CaInfo "\(.*\)";/\1/p' "$work/apt.conf" | while read -r file; do
  mkdir -p "$root$(dirname "$file")"
  cp -L "$file" "$root$file"
done
printf 'auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n' >"$root/etc/network/interfaces"

mkdir "$work/templates"
printf '{{ container.name }}\n' >"$work/templates/hostname.tpl"
printf '127.0.0.1\tlocalhost\n127.0.1.1\t{{ container.name }}\n::1\tlocalhost ip6-localhost ip6-loopback\n' \
  >"$work/templates/hosts.tpl"
cat >"$work/metadata.yaml" <<M
architecture: $(uname -m)
creation_date: $(date +%s)
properties:
  os: $distribution
  release: $suite
  variant: halolab
  serial: "$(date -u +%Y%m%d_%H%M)"
  description: $distribution $suite, built by halolab from $mirror
templates:
  /etc/hostname: {when: [create, copy, start], template: hostname.tpl}
  /etc/hosts: {when: [create, copy], template: hosts.tpl}
M

say 80 "packing"
tar -C "$work" --numeric-owner --one-file-system -I 'gzip -1' -cf "$HALOLAB_OUT.part" metadata.yaml templates rootfs
mv "$HALOLAB_OUT.part" "$HALOLAB_OUT"
say 100 "built $HALOLAB_OUT"
