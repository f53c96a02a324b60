#!/bin/sh
# Adds packages to the environment and installs them: zephyr-spack-install [--plan] [--keep-going] SPEC...
#   --plan        only concretizes what it comes to, beside the environment; nothing of that changes
#   --keep-going  builds what does not need a package that failed
# The project's spack_src.yaml is not changed: what was added is gone when that is.

. "${ZEPHYR_ENTRYPOINTS:-/opt/zephyr/entrypoints}/common.sh"
plan='' stop=--fail-fast
while :; do
  case ${1:-} in
    --plan) plan=yes ;;
    --keep-going) stop='' ;;
    -*) usage ;;
    *) break ;;
  esac
  shift
done
[ $# -gt 0 ] || usage
spack_ready
environment_ready
# It is tried beside the environment, which changes only once all of it could be concretized.
next=$environment-next
mkdir -p "$next"
cp "$environment/machine.yaml" "$environment/spack.yaml" "$next/"
if [ -f "$environment/spack.lock" ]; then cp "$environment/spack.lock" "$next/"; else rm -f "$next/spack.lock"; fi
spack -e "$next" add "$@" </dev/null
say "concretizing: this takes minutes, and Spack says nothing meanwhile"
spack -e "$next" concretize </dev/null
if [ -n "$plan" ]; then
  review_ready "$next"
  exit 0
fi
# The lock comes last: without it, what was cut here is concretized anew.
rm -f "$environment/spack.lock"
mv -f "$next/spack.yaml" "$environment/spack.yaml"
cp "$environment/machine.yaml" "$environment/machine.locked"
mv -f "$next/spack.lock" "$environment/spack.lock"
# shellcheck disable=SC2086
: | interruptible spack -e "$environment" install $stop
say "they are installed: $ZEPHYR_STORE/views"
