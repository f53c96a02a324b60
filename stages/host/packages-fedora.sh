# Fedora and its relatives.
engine=${OPT_ENGINE:-auto}
[ "$engine" != auto ] || engine=incus
if [ "$engine" = lxd ]; then
  dnf install -y snapd btrfs-progs dnsmasq squashfs-tools rsync
  systemctl enable --now snapd.socket
  [ -e /snap ] || ln -s /var/lib/snapd/snap /snap
  snap wait system seed.loaded
  snap list lxd >/dev/null 2>&1 || snap install lxd
else
  dnf install -y incus incus-client lxcfs btrfs-progs dnsmasq squashfs-tools rsync || {
    echo "dnf could not install incus: it is in Fedora 41 and later, and in EPEL for others (\`sudo dnf install epel-release\`)." >&2
    exit 1
  }
fi
echo "$engine is installed"
