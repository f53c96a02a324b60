# Adds the user to the group that owns the engine's socket. Its members can become root on this machine.
user=${HOST_USER:?the name of the user}
[ "$user" != root ] || exit 0
for group in lxd incus-admin; do
  getent group $group >/dev/null || continue
  usermod -aG $group "$user"
  echo "$user is in the group $group: log in again (or type \`newgrp $group\`) to use it without sudo"
done
