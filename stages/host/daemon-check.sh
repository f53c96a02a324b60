# Exits 0 where the wanted engine answers and is ready.
PATH=$PATH:/usr/sbin:/sbin:/snap/bin:/usr/libexec/incus:/opt/incus/bin
lxd_ready() { command -v lxd >/dev/null 2>&1 && lxd waitready --timeout=2 >/dev/null 2>&1; }
incus_ready() { command -v incusd >/dev/null 2>&1 && incusd waitready --timeout=2 >/dev/null 2>&1; }
case ${OPT_ENGINE:-auto} in
  lxd) lxd_ready ;;
  incus) incus_ready ;;
  *) lxd_ready || incus_ready ;;
esac
