#!/bin/sh
# A shell in the environment in which Spack builds a package: zephyr-build-env PACKAGE [COMMAND ARGUMENT...]
# PACKAGE is a name of the environment, or a slash and a hash; the folder is that of its build, where one is left.

. "${ZEPHYR_ENTRYPOINTS:-/opt/zephyr/entrypoints}/common.sh"
case ${1:-} in '' | -*) usage ;; esac
package=$1
shift
[ $# -gt 0 ] || set -- bash --norc
spack_ready
[ -f "$environment/spack.lock" ] || die "there is no environment yet: run spack-build first"
folder=$(spack -e "$environment" location -s "$package" 2>/dev/null </dev/null || true)
if [ -d "$folder" ]; then
  cd "$folder"
  say "the build of $package is in $folder"
else
  say "no build of $package is left; this is only its environment"
fi
PS1="build of $package\\$ " exec spack -e "$environment" build-env "$package" -- "$@"
