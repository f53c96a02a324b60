# Fedora and its relatives.
engine=${OPT_ENGINE:-auto}
[ "$engine" != auto ] || engine=incus
# what is not there yet is written down right before it is made: uninstall takes back that and nothing else
made() { [ -z "${HALOLAB_RECEIPT:-}" ] || printf '%s\n' "$*" >>"$HALOLAB_RECEIPT"; }
# new_packages NAME...: writes down those that are not installed yet
new_packages() {
  for name in "$@"; do rpm -q "$name" >/dev/null 2>&1 || made package rpm "$name"; done
}
if [ "$engine" = lxd ]; then
  new_packages snapd btrfs-progs dnsmasq squashfs-tools rsync
  dnf install -y snapd btrfs-progs dnsmasq squashfs-tools rsync
  systemctl is-enabled -q snapd.socket || made enabled snapd.socket
  systemctl enable --now snapd.socket
  [ -e /snap ] || made file /snap
  [ -e /snap ] || ln -s /var/lib/snapd/snap /snap
  snap wait system seed.loaded
  snap list lxd >/dev/null 2>&1 || { made package snap lxd; snap install lxd; }
else
  new_packages incus incus-client lxcfs btrfs-progs dnsmasq squashfs-tools rsync
  dnf install -y incus incus-client lxcfs btrfs-progs dnsmasq squashfs-tools rsync || {
    echo "dnf could not install incus: it is in Fedora 41 and later, and in EPEL for others (\`sudo dnf install epel-release\`)." >&2
    exit 1
  }
fi
echo "$engine is installed"
