#!/bin/bash
# podman.sh up DIR        : a private Podman service (Docker's API), all of it in DIR, in network and mount namespaces of its
#                           own; prints the socket. The contract tests run on it as on Docker:
#                           HALOLAB_TEST_DOCKER=$(tests/lab/podman.sh up DIR) cargo test --test contract docker::
# podman.sh down DIR      : stops it with all its containers, and removes every trace of it
# Images come in by `docker.sh import DIR …`, whose socket is linked. Root. Debian: podman, runc, conmon, netavark.
set -euo pipefail
action=$1 dir=$2

up() {
  mkdir -p "$dir/root" "$dir/run"
  printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' "$dir/root" "$dir/run" >"$dir/storage.conf"
  # crun refuses cgroups that are mounted in both versions, and more open files than the machine allows are refused, too.
  printf '%s\n' '[engine]' 'cgroup_manager = "cgroupfs"' 'events_logger = "file"' 'runtime = "runc"' '[network]' \
    'network_backend = "netavark"' '[containers]' 'default_ulimits = ["nofile=1024:1024", "nproc=8192:8192"]' >"$dir/containers.conf"
  # shellcheck disable=SC2016
  CONTAINERS_STORAGE_CONF=$dir/storage.conf CONTAINERS_CONF=$dir/containers.conf TMPDIR=$dir XDG_RUNTIME_DIR=$dir/run \
    setsid -f unshare --net --mount bash -c 'ip link set lo up; exec podman system service --time=0 "unix://$1/podman.sock"' \
    podman.sh "$dir" >"$dir/log" 2>&1 </dev/null 9>&-
  ln -sf podman.sock "$dir/docker.sock"
  for _ in $(seq 100); do
    [ "$(curl -s --max-time 5 --unix-socket "$dir/podman.sock" http://podman/_ping 2>/dev/null)" != OK ] || { echo "$dir/podman.sock"; return; }
    sleep .2
  done
  tail -n 20 "$dir/log" >&2
  return 1
}

# The service, and the monitors of its containers: all of them name our folder.
ours() {
  local process
  for process in /proc/[0-9]*; do
    case $({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null) in
      podman\ system\ service*"unix://$dir/podman.sock"* | *conmon\ *"$dir/run"*) echo "${process#/proc/}" ;;
    esac
  done
}

down() {
  local pid mount
  if [ -S "$dir/podman.sock" ]; then
    for pid in $(curl -s --max-time 20 --unix-socket "$dir/podman.sock" 'http://podman/v1.41/containers/json?all=1' |
      tr ',' '\n' | sed -n 's/.*"Id":"\([0-9a-f]*\)".*/\1/p'); do
      curl -s --max-time 60 --unix-socket "$dir/podman.sock" -X DELETE "http://podman/v1.41/containers/$pid?force=1" >/dev/null || true
    done
  fi
  for pid in $(ours); do kill "$pid" 2>/dev/null || true; done
  for _ in $(seq 50); do [ -n "$(ours)" ] || break; sleep .1; done
  for pid in $(ours); do kill -KILL "$pid" 2>/dev/null || true; done
  awk -v dir="$dir/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do umount -l "$mount" || true; done
  rm -rf --one-file-system "$dir"
}

case $action in
  up) up ;;
  down) down ;;
  *) echo "usage: podman.sh up|down DIR" >&2; exit 2 ;;
esac
