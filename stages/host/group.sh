# Adds the user to the group that owns the engine's socket. Its members can become root on this machine.
user=${HOST_USER:?the name of the user}
[ "$user" != root ] || exit 0
for group in lxd incus-admin; do
  getent group $group >/dev/null || continue
  usermod -aG $group "$user"
  echo "$user is in the group $group: other programs see it at the next login (or type \`newgrp $group\`)"
done
# A membership counts from the next login on. Until the engine restarts its socket is the user's own, so that this
# run can go on; the next start of the engine gives it back to root and the group.
for folder in "${LXD_DIR:-/var/lib/lxd}" "${INCUS_DIR:-/var/lib/incus}" /var/snap/lxd/common/lxd; do
  [ ! -S "$folder/unix.socket" ] || chown "$user" "$folder/unix.socket"
done
