# Exits 0 where the user is a member of the group of the engine that was chosen, else of the one that answers.
user=${HOST_USER:-root}
[ "$user" != root ] || exit 0
PATH=$PATH:/usr/sbin:/sbin:/snap/bin:/usr/libexec/incus:/opt/incus/bin
engine=${OPT_ENGINE:-auto}
if [ "$engine" = auto ]; then
  engine=incus
  if ! command -v incusd >/dev/null 2>&1 || lxd waitready --timeout=2 >/dev/null 2>&1; then engine=lxd; fi
fi
if [ "$engine" = lxd ]; then group=lxd; else group=incus-admin; fi
id -nG "$user" | tr ' ' '\n' | grep -qx "$group"
