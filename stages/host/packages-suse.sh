# openSUSE.
engine=${OPT_ENGINE:-auto}
zypper --non-interactive refresh
known() { zypper --non-interactive search --match-exact --type package "$1" >/dev/null 2>&1; }
if [ "$engine" = auto ]; then
  engine=incus
  if ! known incus && known lxd; then engine=lxd; fi
fi
# what is not there yet is written down right before it is made: uninstall takes back that and nothing else
made() { [ -z "${HALOLAB_RECEIPT:-}" ] || printf '%s\n' "$*" >>"$HALOLAB_RECEIPT"; }
# new_packages NAME...: writes down those that are not installed yet
new_packages() {
  for name in "$@"; do rpm -q "$name" >/dev/null 2>&1 || made package rpm "$name"; done
}
new_packages "$engine" lxcfs btrfsprogs dnsmasq squashfs rsync
zypper --non-interactive install --no-recommends "$engine" lxcfs btrfsprogs dnsmasq squashfs rsync
echo "$engine is installed"
