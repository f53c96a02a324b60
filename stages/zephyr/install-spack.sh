#!/bin/sh
# Puts Spack and its recipes at pinned commits into the image, with a Python of its own that has clingo.
set -eu

# at FOLDER COMMIT URL LOCAL: git refuses what does not hash to the commit.
at() {
  from=$3
  [ ! -d "$4" ] || from=file://$4
  git init -q "$1"
  git -C "$1" -c safe.directory='*' fetch -q --depth 1 "$from" "$2"
  git -C "$1" checkout -q "$2"
  have=$(git -C "$1" rev-parse HEAD)
  [ "$have" = "$2" ] || { echo "$1 is at $have, and not at $2: nothing of it was run" >&2; exit 1; }
}
git config --global --add safe.directory '*'
at /opt/spack_src "$SPACK_COMMIT" "$SPACK_URL" /tmp/sources/spack.git
at /opt/spack_packages "$RECIPES_COMMIT" "$RECIPES_URL" /tmp/sources/packages.git

python3 -m venv --system-site-packages /opt/zephyr/python
/opt/zephyr/python/bin/pip install -q --no-cache-dir --no-deps --require-hashes -r /tmp/requirements.txt

# Nothing is fetched behind one's back: the recipes are here, and so is clingo.
mkdir -p /opt/spack_src/etc/spack
cat >/opt/spack_src/etc/spack/repos.yaml <<YAML
repos:
  builtin:: /opt/spack_packages/repos/spack_repo/builtin
YAML
cat >/opt/spack_src/etc/spack/bootstrap.yaml <<YAML
bootstrap:
  enable: false
YAML
