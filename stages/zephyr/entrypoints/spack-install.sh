#!/bin/sh
# Adds packages to the environment and installs them: zephyr-spack-install SPEC...
# The project's spack_src.yaml is not changed: what was added is gone when that is.

. "${ZEPHYR_ENTRYPOINTS:-/opt/zephyr/entrypoints}/common.sh"
[ $# -gt 0 ] || usage
spack_ready
environment_ready
spack -e "$environment" add "$@" </dev/null
spack -e "$environment" concretize </dev/null
: | interruptible spack -e "$environment" install
