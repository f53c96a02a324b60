# Arch Linux and its derivatives. Without -y: a new package list without the upgrades that belong to it breaks Arch.
engine=${OPT_ENGINE:-auto}
[ "$engine" != auto ] || engine=incus
ls /var/lib/pacman/sync/*.db >/dev/null 2>&1 || pacman -Sy --noconfirm
# what is not there yet is written down right before it is made: uninstall takes back that and nothing else
made() { [ -z "${HALOLAB_RECEIPT:-}" ] || printf '%s\n' "$*" >>"$HALOLAB_RECEIPT"; }
for name in "$engine" lxcfs btrfs-progs dnsmasq squashfs-tools rsync; do
  pacman -Qq "$name" >/dev/null 2>&1 || made package pacman "$name"
done
pacman -S --needed --noconfirm "$engine" lxcfs btrfs-progs dnsmasq squashfs-tools rsync || {
  echo "pacman could not install $engine. Often the package list is older than the mirror: type \`sudo pacman -Syu\`, restart if it brought a kernel, then run this again." >&2
  exit 1
}
echo "$engine is installed"
