# Starts LXD or Incus and waits until it is ready; with systemd as a service, without it as a process of its own.
PATH=$PATH:/usr/sbin:/sbin:/snap/bin:/usr/libexec/incus:/opt/incus/bin
engine=${OPT_ENGINE:-auto}
if [ "$engine" = auto ]; then
  engine=incus
  ! command -v lxd >/dev/null 2>&1 || engine=lxd
fi
if [ "$engine" = lxd ]; then program=lxd group=lxd; else program=incusd group=incus-admin; fi
command -v $program >/dev/null 2>&1 || { echo "$engine is not installed: run the step \`packages\` first" >&2; exit 1; }

# what is not there yet is written down right before it is made: uninstall takes back that and nothing else
made() { [ -z "${HALOLAB_RECEIPT:-}" ] || printf '%s\n' "$*" >>"$HALOLAB_RECEIPT"; }

start_service() {
  if [ "$engine" = lxd ] && [ -x /snap/bin/lxd ]; then
    snap start --enable lxd
    return
  fi
  for unit in lxcfs.service "$engine.socket" "$engine.service" "$engine-startup.service"; do
    systemctl cat "$unit" >/dev/null 2>&1 || continue
    systemctl is-enabled -q "$unit" 2>/dev/null || made enabled "$unit"
    systemctl enable --now "$unit"
  done
}

# A process that outlives us: in its own session, and with no descriptor of ours.
detach() { setsid -f "$@" </dev/null >>"$log/$1.log" 2>&1; }

start_process() {
  log=/var/log/halolab
  mkdir -p $log
  mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
  [ -c /dev/fuse ] || mknod -m 666 /dev/fuse c 10 229
  # containers see the mounts that the daemon makes later
  mount --make-rshared / 2>/dev/null || true
  getent group $group >/dev/null || groupadd --system $group
  if command -v lxcfs >/dev/null 2>&1 && ! mountpoint -q /var/lib/lxcfs; then
    mkdir -p /var/lib/lxcfs
    detach lxcfs -f /var/lib/lxcfs
  fi
  made process $program
  detach $program --group $group --logfile="$log/$engine.daemon.log"
  echo "$engine runs without systemd: it ends with this boot; its log is $log/$engine.daemon.log"
}

ready() { $program waitready --timeout="$1" >/dev/null 2>&1; }
if ! ready 2; then
  if [ -d /run/systemd/system ]; then start_service; else start_process; fi
  ready 90 || {
    echo "$engine did not become ready within 90 s." >&2
    if [ -d /run/systemd/system ]; then
      echo "Its log: journalctl -u $engine" >&2
    else
      tail -n 5 /var/log/halolab/$program.log "/var/log/halolab/$engine.daemon.log" >&2 || true
    fi
    exit 1
  }
fi
echo "$engine is ready"
