# openSUSE.
engine=${OPT_ENGINE:-auto}
zypper --non-interactive refresh
known() { zypper --non-interactive search --match-exact --type package "$1" >/dev/null 2>&1; }
if [ "$engine" = auto ]; then
  engine=incus
  if ! known incus && known lxd; then engine=lxd; fi
fi
zypper --non-interactive install --no-recommends "$engine" lxcfs btrfsprogs dnsmasq squashfs rsync
echo "$engine is installed"
