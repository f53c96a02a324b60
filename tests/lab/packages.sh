#!/bin/sh
# packages.sh NAME... : installs those of the Debian packages that are missing, without starting any daemon.
set -eu
missing=
for name in "$@"; do
  dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || missing="$missing $name"
done
[ -n "$missing" ] || exit 0
echo "tests: apt-get install$missing"

# a package's postinst must not start its daemon: the tests start their own
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086
if ! { apt-get -q update && apt-get -q install -y --no-install-recommends $missing; } >"$log" 2>&1; then
  tail -20 "$log"
  echo "tests: apt-get failed, see $log" >&2
  exit 1
fi
rm -f "$log"
