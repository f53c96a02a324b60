#!/bin/sh
# Builds the environment: zephyr-spack-build [--plan] [--again] [--keep-going] [-- ARGUMENTS OF SPACK INSTALL]
#   --plan        only concretizes it; nothing is built
#   --again       concretizes it anew, with what is newer
#   --keep-going  builds what does not need a package that failed

. "${ZEPHYR_ENTRYPOINTS:-/opt/zephyr/entrypoints}/common.sh"
plan='' again='' stop=--fail-fast
for argument; do
  shift
  case $argument in
    --plan) plan=yes ;;
    --again) again=yes ;;
    --keep-going) stop='' ;;
    --) break ;;
    *) usage ;;
  esac
done
spack_ready
environment_ready
# A lock counts for the machine's file that it was made with.
if [ -n "$again" ] || [ ! -f "$environment/spack.lock" ] || ! cmp -s "$environment/machine.yaml" "$environment/machine.locked"; then
  say "concretizing: this takes minutes, and Spack says nothing meanwhile"
  cp "$environment/machine.yaml" "$environment/machine.locked.new"
  spack -e "$environment" concretize --force </dev/null
  mv -f "$environment/machine.locked.new" "$environment/machine.locked"
fi
if [ -n "$plan" ]; then
  review_ready "$environment"
  exit 0
fi
say "building into $ZEPHYR_STORE; what is there already is not built again"
# On pipes, so that each state is a line; the pipe as input because Spack 1.1's new installer refuses /dev/null.
# shellcheck disable=SC2086
: | interruptible spack -e "$environment" install $stop "$@"
say "the environment is built: $ZEPHYR_STORE/views"
