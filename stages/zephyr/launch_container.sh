#!/bin/sh
# Zephyr without halolab: the same image, folders and entrypoints, by plain `docker run`.
#   launch_container.sh                          a shell
#   launch_container.sh ENTRYPOINT ARGUMENT...   default, spack-build, spack-install, spack-push, build-env, uv-install,
#                                                hf-download, run-job, verify
#   launch_container.sh --job NAME ENTRYPOINT …  the same in the background; its log and its status are in ROOT/jobs,
#                                                and closing this terminal does not touch it
# ZEPHYR_ROOT, ZEPHYR_PROJECT, ZEPHYR_WORKSPACE, ZEPHYR_IMAGE and ZEPHYR_GPU=auto|on|off say otherwise than below.
set -eu
root=${ZEPHYR_ROOT:-"$HOME/zephyr"}/${ZEPHYR_PROJECT:-default}
workspace=${ZEPHYR_WORKSPACE:-"$PWD"}
image=${ZEPHYR_IMAGE:-zephyr:base}
gpu=${ZEPHYR_GPU:-auto}

say() { printf 'zephyr: %s\n' "$*" >&2; }
job=
if [ "${1:-}" = --job ]; then
  [ $# -gt 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
  job=$2
  shift 2
fi
entrypoint=${1:-default}
[ $# = 0 ] || shift
case $entrypoint in
  default | spack-build | spack-install | spack-push | build-env | uv-install | hf-download | run-job | facts | verify) ;;
  *) say "there is no entrypoint $entrypoint"; exit 2 ;;
esac

if ! docker image inspect "$image" >/dev/null; then
  say "the image $image is not to be had: build it with \`docker build -t $image .\` in the folder of its Dockerfile, or name one of
  \`docker images\` with ZEPHYR_IMAGE"
  exit 1
fi
# Before Docker would make them as root's.
for folder in monorepo_home spack_store bazel_cache config build_logs jobs; do mkdir -p "$root/$folder"; done

# The CUDA of the image must not be newer than the driver's, unless it is of the same major number.
image_cuda=$(docker image inspect -f '{{range .Config.Env}}{{println .}}{{end}}' "$image" | sed -n 's/^CUDA_VERSION=//p')
driver_cuda=
if command -v nvidia-smi >/dev/null 2>&1; then
  driver_cuda=$(nvidia-smi 2>/dev/null | sed -n 's/.*CUDA Version: *\([0-9.]*\).*/\1/p')
fi
why=
if [ "$gpu" = auto ]; then
  gpu=on
  if [ -z "$driver_cuda" ]; then gpu=off why="no NVIDIA driver answers"
  elif [ -n "$image_cuda" ] && [ "${image_cuda%%.*}" -gt "${driver_cuda%%.*}" ]; then
    gpu=off why="the image has CUDA $image_cuda, the driver only $driver_cuda: install a newer driver, or take an older base"
  fi
fi
[ -z "$why" ] || say "the GPU is off: $why"

set -- "zephyr-$entrypoint" "$@"
[ -z "$job" ] || set -- zephyr-record "$job" "$@"
program=$1
shift
set -- --entrypoint "/opt/zephyr/bin/$program" "$image" "$@"
if [ "$gpu" = on ]; then set -- --gpus all "$@"; fi
if [ -n "$job" ]; then
  set -- --detach --name "zephyr-$job-$(date -u +%Y%m%dT%H%M%SZ)" --stop-timeout 60 "$@"
elif [ -t 0 ] && [ -t 1 ]; then
  set -- --rm --interactive --tty "$@"
else
  set -- --rm --interactive "$@"
fi
# Whoever stops it stops all of it, as Spack wants to be stopped: its builds outlive a SIGTERM. A recorded job does so itself.
[ -n "$job" ] || set -- --stop-signal INT --env TINI_KILL_PROCESS_GROUP=1 "$@"
# The value is a line of CSV: a comma in a path counts only without quotes.
mount() { printf 'type=bind,"source=%s",target=%s' "$(printf '%s' "$1" | sed 's/"/""/g')" "$2"; }
exec docker run --pull never --init --network host --shm-size 8g \
  --env ZEPHYR_UID="$(id -u)" --env ZEPHYR_GID="$(id -g)" --env ZEPHYR_GPU="$gpu" --env ZEPHYR_JOBS=/opt/zephyr_jobs \
  --mount "$(mount "$root/monorepo_home" /home/zephyr)" \
  --mount "$(mount "$root/spack_store" /opt/spack_store)" \
  --mount "$(mount "$root/bazel_cache" /opt/bazel_cache)" \
  --mount "$(mount "$root/config" /opt/zephyr_config)" \
  --mount "$(mount "$root/build_logs" /opt/build_logs)" \
  --mount "$(mount "$root/jobs" /opt/zephyr_jobs)" \
  --mount "$(mount "$workspace" /workspace)" \
  "$@"
