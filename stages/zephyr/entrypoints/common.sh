# What the entrypoints share. POSIX sh; sourced, never run.
#
#   /opt/spack_store    what Spack installed      /opt/bazel_cache   stages, caches: may be lost
#   /opt/zephyr_config  spack.yaml, machine.yaml  /workspace         the project
# An environment variable of the same name in capitals (ZEPHYR_STORE …) puts each elsewhere.
set -eu
ZEPHYR_STORE=${ZEPHYR_STORE:-/opt/spack_store}
ZEPHYR_CACHE=${ZEPHYR_CACHE:-/opt/bazel_cache}
ZEPHYR_CONFIG=${ZEPHYR_CONFIG:-/opt/zephyr_config}
ZEPHYR_WORKSPACE=${ZEPHYR_WORKSPACE:-/workspace}
ZEPHYR_SHIPPED=${ZEPHYR_SHIPPED:-/opt/zephyr/spack_src.yaml}
environment=$ZEPHYR_CONFIG/spack

say() { printf 'zephyr: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# Files belong to whoever owns the project, and not to root: an entrypoint begins as root only where it has to.
as_owner() { # SCRIPT ARGUMENT...
  [ "$(id -u)" = 0 ] && [ "${ZEPHYR_UID:-0}" != 0 ] || return 0
  export HOME="${ZEPHYR_HOME:-/home/zephyr}" USER=zephyr LOGNAME=zephyr
  # The groups of GPUs, which Docker added, stay; root's own does not.
  ao_groups=
  for ao_group in $(id -G); do
    [ "$ao_group" = 0 ] || ao_groups=${ao_groups:+$ao_groups,}$ao_group
  done
  if [ -n "$ao_groups" ]; then ao_groups=--groups=$ao_groups; else ao_groups=--clear-groups; fi
  exec setpriv --reuid="$ZEPHYR_UID" --regid="${ZEPHYR_GID:-$ZEPHYR_UID}" "$ao_groups" -- "$@"
}

as_owner "$0" "$@"
# The home that outlives the container, for root too: what is in root's own goes with the container.
ZEPHYR_HOME=${ZEPHYR_HOME:-/home/zephyr}
[ ! -d "$ZEPHYR_HOME" ] || export HOME="$ZEPHYR_HOME"

# Spack's own settings: nothing of the user's ~/.spack, caches that outlive the container, lines that are not wrapped.
spack_ready() {
  command -v spack >/dev/null 2>&1 || die "there is no Spack in this image; build it with \`halolab update zephyr\`"
  export SPACK_DISABLE_LOCAL_CONFIG=1 SPACK_USER_CACHE_PATH="$ZEPHYR_CACHE/spack-cache"
  export SPACK_COLOR="${SPACK_COLOR:-never}" COLUMNS=2000
  mkdir -p "$ZEPHYR_STORE" "$ZEPHYR_CACHE/spack-stage" "$SPACK_USER_CACHE_PATH" "$environment"
}

# The environment is the project's spack_src.yaml where it has one, else the shipped one; a file that was changed there
# counts the next time. `machine.yaml` is halolab's; without one it is empty, and Spack looks for itself.
environment_ready() {
  source=$ZEPHYR_SHIPPED
  project=$ZEPHYR_WORKSPACE/pkg/zephyr/spack_src.yaml
  [ ! -f "$project" ] || source=$project
  [ -f "$source" ] || die "there is no spack_src.yaml: neither $project nor $ZEPHYR_SHIPPED"
  if ! [ -f "$environment/from" ] || ! cmp -s "$source" "$environment/from"; then
    say "the environment is that of $source"
    # Another list of packages has another lock. `from` comes last: what was cut before it is done again.
    rm -f "$environment/spack.lock"
    cp "$source" "$environment/from.new"
    cp "$environment/from.new" "$environment/spack.yaml.new"
    mv -f "$environment/spack.yaml.new" "$environment/spack.yaml"
    mv -f "$environment/from.new" "$environment/from"
  fi
  [ -f "$environment/machine.yaml" ] || echo '{}' >"$environment/machine.yaml"
}

# A shell starts what is in its background deaf to SIGINT, by which Spack alone is stopped without leaving builds behind.
# An `env` that cannot undo that (BusyBox') leaves them deaf, and a stop goes on to SIGTERM after its grace.
hearing=
! env --default-signal=INT true 2>/dev/null || hearing='env --default-signal=INT,QUIT'
# shellcheck disable=SC2086
interruptible() { $hearing "$@"; }

# The Python that Spack built; nothing where there is none yet.
built_python() {
  for bp_python in "$ZEPHYR_STORE"/views/*/bin/python3; do
    [ ! -x "$bp_python" ] || { printf '%s\n' "$bp_python"; return; }
  done
}

# What the review of a build is made of, beside the lock: what build caches hold (Spack's own list, and the files of those
# that are folders), and how large what is installed is. A prefix is measured once, when its installation is complete.
review_ready() { # ENVIRONMENT
  : >"$1/cached.new"
  if grep -q '"url"' "$environment/machine.yaml"; then
    spack -e "$1" buildcache list --allarch --very-long >>"$1/cached.new" 2>/dev/null </dev/null || true
    sed -n 's|.*"url": *"file://\(/[^"]*\)".*|\1|p' "$environment/machine.yaml" | while read -r rr_folder; do
      [ ! -d "$rr_folder" ] || find "$rr_folder" -name '*.spec.manifest.json' -o -name '*.spec.json' -o -name '*.spec.json.sig'
    done | sed 's|.*/||' >>"$1/cached.new"
    # Spack 1.2 does not list registries; the names of what they hold end with the hash. One that wants a password says nothing.
    sed -n 's|.*"url": *"oci+http://\([^/"]*\)/\([^"]*\)".*|http://\1/v2/\2|p
      s|.*"url": *"oci://\([^/"]*\)/\([^"]*\)".*|https://\1/v2/\2|p' "$environment/machine.yaml" | while read -r rr_registry; do
      curl -fsS --max-time 60 "$rr_registry/tags/list?n=10000" 2>/dev/null </dev/null | tr -s ',[]{}' '\n' |
        sed -n 's/^"\(.*\)\.spack"$/\1.spec.json/p' || true
    done >>"$1/cached.new"
  fi
  mv -f "$1/cached.new" "$1/cached"
  touch "$environment/sizes"
  : >"$environment/sizes.new"
  for rr_prefix in "$ZEPHYR_STORE"/*-???????; do
    [ -f "$rr_prefix/.spack/install_manifest.json" ] || continue
    rr_name=${rr_prefix##*/}
    rr_known=$(grep -m 1 "^$rr_name " "$environment/sizes" || true)
    printf '%s\n' "${rr_known:-$rr_name $(du -sk "$rr_prefix" | cut -f 1)}" >>"$environment/sizes.new"
  done
  mv -f "$environment/sizes.new" "$environment/sizes"
}
