#!/bin/sh
# debian-image.sh FOLDER : prints the path of a Debian image, built by the program's own bootstrap script and kept for a week.
set -eu
folder=$1 here=$(cd "$(dirname "$0")/../.." && pwd)
script=$here/assets/bootstrap/debian.sh
out=$folder/debian-$(sha256sum "$script" | cut -c1-12).tar.gz
if [ -z "$(find "$out" -mtime -7 2>/dev/null)" ]; then
  echo "tests: building the Debian image, about a minute" >&2
  HALOLAB_DISTRIBUTION=debian HALOLAB_SUITE=bookworm HALOLAB_OUT=$out \
    unshare --mount --propagation private sh -eu "$script" >"$folder/debian.log" 2>&1 || { tail -20 "$folder/debian.log" >&2; exit 1; }
fi
echo "$out"
