# Adds the user to the group that owns the engine's socket, and gives the socket to that group. Its members are as
# good as root on this machine, without a password. The membership stays in /etc/group; the engine gives its socket
# to the group at each start, with systemd and without.
user=${HOST_USER:?the name of the user}
[ "$user" != root ] || exit 0
PATH=$PATH:/usr/sbin:/sbin:/snap/bin:/usr/libexec/incus:/opt/incus/bin
# Only the group of the engine that was chosen, else of the one that answers: each group is root by another name.
engine=${OPT_ENGINE:-auto}
if [ "$engine" = auto ]; then
  engine=incus
  if ! command -v incusd >/dev/null 2>&1 || lxd waitready --timeout=2 >/dev/null 2>&1; then engine=lxd; fi
fi

# what is not there yet is written down right before it is made: uninstall takes back that and nothing else
made() { [ -z "${HALOLAB_RECEIPT:-}" ] || printf '%s\n' "$*" >>"$HALOLAB_RECEIPT"; }

# GROUP SOCKET...: those that are there belong to root and the group, and to nobody else.
share() {
  group=$1
  shift
  getent group "$group" >/dev/null || return 0
  id -nG "$user" | tr ' ' '\n' | grep -qx "$group" || made group "$user $group"
  usermod -aG "$group" "$user"
  for socket in "$@"; do
    [ -S "$socket" ] || continue
    chown root:"$group" "$socket"
    chmod 660 "$socket"
  done
  echo "$user is in the group $group, and so as good as root here; take it back with: gpasswd -d $user $group"
  echo "halolab sees it at once, other programs at the next login (or type \`newgrp $group\`)"
}
if [ "$engine" = lxd ]; then
  share lxd "${LXD_DIR:-/var/lib/lxd}/unix.socket" /var/snap/lxd/common/lxd/unix.socket
else
  share incus-admin "${INCUS_DIR:-/var/lib/incus}/unix.socket" /run/incus/unix.socket
fi
