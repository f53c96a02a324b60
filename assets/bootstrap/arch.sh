# Builds a unified LXD/Incus image of Arch Linux with pacstrap, without an image server. Root.
#   HALOLAB_OUT the image file   HALOLAB_PACKAGES on top of the base, separated by spaces
#   HALOLAB_MIRROR a `Server` line's value instead of the host's own mirror list or the public mirror
#   HALOLAB_ARCH_REPOSITORIES instead of `core extra`   HALOLAB_ARCH_SIGLEVEL instead of `Required DatabaseOptional`
# Runs in a mount namespace of its own (`unshare --mount`), so that its scratch space in memory vanishes with it.

umask 022
work=$HALOLAB_OUT.work
say() { printf '[%3s %%] ' "$1"; shift; echo "$*"; }

trap 'umount -l "$work" 2>/dev/null; rm -rf --one-file-system "$work" "$HALOLAB_OUT.part"' EXIT
trap 'exit 143' TERM INT HUP
rm -rf --one-file-system "$work" # of a build that was killed
mkdir -p "$work"
free=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
if [ "${free:-0}" -gt 8000000 ]; then mount -t tmpfs -o mode=755,size=4g halolab "$work"; fi
chmod 755 "$work"
root=$work/rootfs
mkdir "$root"

# ---- where the packages come from
list=$work/mirrorlist
if [ -n "${HALOLAB_MIRROR:-}" ]; then
  echo "Server = $HALOLAB_MIRROR" >"$list"
elif grep -q '^Server' /etc/pacman.d/mirrorlist 2>/dev/null; then
  grep '^Server' /etc/pacman.d/mirrorlist >"$list"
else
  # shellcheck disable=SC2016
  echo 'Server = https://geo.mirror.pkgbuild.com/$repo/os/$arch' >"$list"
fi
configuration() { # FILE OF THE MIRROR LIST
  printf '[options]\nArchitecture = auto\nSigLevel = %s\nLocalFileSigLevel = Optional\n' \
    "${HALOLAB_ARCH_SIGLEVEL:-Required DatabaseOptional}"
  for repository in ${HALOLAB_ARCH_REPOSITORIES:-core extra}; do printf '\n[%s]\nInclude = %s\n' "$repository" "$1"; done
}
configuration "$list" >"$work/pacman.conf"

keys=
case ${HALOLAB_ARCH_SIGLEVEL:-} in
  Never*) ;;
  *)
    # the keys of Arch's packagers, in a place of our own: not every host has pacman's
    keys=/etc/pacman.d/gnupg
    if ! [ -s $keys/pubring.gpg ]; then
      keys=$work/gnupg
      say 2 "preparing the keys of Arch's packagers"
      pacman-key --gpgdir "$keys" --init
      pacman-key --gpgdir "$keys" --populate archlinux
    fi
    sed -i "/^\[options\]/a GPGDir = $keys" "$work/pacman.conf"
    ;;
esac

say 10 "fetching and unpacking Arch Linux"
# dhcpcd, because systemd-networkd waits for udev events that an unprivileged container never gets
# shellcheck disable=SC2086
pacstrap -C "$work/pacman.conf" -G -M "$root" base dhcpcd ${HALOLAB_PACKAGES:-} || {
  echo "pacstrap failed. Where it speaks of signatures, this host's keys of Arch are too old: choose another image." >&2
  exit 1
}

say 75 "settings"
mkdir -p "$root/etc/pacman.d" "$root/etc/systemd/system/multi-user.target.wants"
cp "$list" "$root/etc/pacman.d/mirrorlist"
[ -s "$root/etc/pacman.conf" ] || configuration /etc/pacman.d/mirrorlist >"$root/etc/pacman.conf"
ln -sf /usr/lib/systemd/system/dhcpcd.service "$root/etc/systemd/system/multi-user.target.wants/dhcpcd.service"
if [ -n "$keys" ] && [ -x "$root/usr/bin/pacman-key" ]; then
  chroot "$root" sh -c 'pacman-key --init && pacman-key --populate archlinux'
fi
rm -rf "$root"/etc/hostname "$root"/etc/resolv.conf "$root"/var/cache/pacman/pkg/* "${root:?}"/dev/* "$root"/run/* "$root"/tmp/*
: >"$root/etc/machine-id"
[ -e "$root/etc/locale.conf" ] || echo LANG=C.UTF-8 >"$root/etc/locale.conf"

mkdir "$work/templates"
printf '{{ container.name }}\n' >"$work/templates/hostname.tpl"
printf '127.0.0.1\tlocalhost\n127.0.1.1\t{{ container.name }}\n::1\tlocalhost ip6-localhost ip6-loopback\n' \
  >"$work/templates/hosts.tpl"
cat >"$work/metadata.yaml" <<M
architecture: $(uname -m)
creation_date: $(date +%s)
properties:
  os: archlinux
  release: current
  variant: halolab
  serial: "$(date -u +%Y%m%d_%H%M)"
  description: Arch Linux, built by halolab
templates:
  /etc/hostname: {when: [create, copy, start], template: hostname.tpl}
  /etc/hosts: {when: [create, copy], template: hosts.tpl}
M

say 80 "packing"
tar -C "$work" --numeric-owner --one-file-system -I 'gzip -1' -cf "$HALOLAB_OUT.part" metadata.yaml templates rootfs
mv "$HALOLAB_OUT.part" "$HALOLAB_OUT"
say 100 "built $HALOLAB_OUT"
