# Exits 0 where the wanted engine is installed.
PATH=$PATH:/usr/sbin:/sbin:/snap/bin:/usr/libexec/incus:/opt/incus/bin
case ${OPT_ENGINE:-auto} in
  lxd) command -v lxd ;;
  incus) command -v incusd ;;
  *) command -v lxd || command -v incusd ;;
esac >/dev/null 2>&1
