#!/bin/sh
# Pushes what is installed into a build cache: zephyr-spack-push [MIRROR | ADDRESS]
# MIRROR is the name of one in machine.yaml (the first one, without a word); ADDRESS as file:///FOLDER or
# oci://REGISTRY/NAME. What is there already is not sent again.

. "${ZEPHYR_ENTRYPOINTS:-/opt/zephyr/entrypoints}/common.sh"
[ $# -le 1 ] || usage
case ${1:-} in -*) usage ;; esac
spack_ready
[ -f "$environment/spack.lock" ] || die "there is no environment yet: run spack-build first"
mirror=${1:-}
if [ -z "$mirror" ]; then
  # As halolab writes it: a name a line.
  mirror=$(sed -n '/^  "mirrors"/,/^  }/s/^    "\([A-Za-z0-9_-]*\)": {$/\1/p' "$environment/machine.yaml" 2>/dev/null | head -n 1)
fi
[ -n "$mirror" ] || die "there is no build cache: choose one in the lab's options, or name an address"
spack -e "$environment" buildcache push --unsigned --update-index "$mirror" </dev/null
say "what is installed is in $mirror"
