#!/bin/sh
# Installs Python packages into a virtual environment: zephyr-uv-install [--into FOLDER] PACKAGE...
# The folder is ~/venv unless said otherwise; it sees the packages that Spack built.

. "${ZEPHYR_ENTRYPOINTS:-/opt/zephyr/entrypoints}/common.sh"
folder=${HOME:-/home/zephyr}/venv
if [ "${1:-}" = --into ]; then
  [ $# -gt 2 ] || usage
  folder=$2
  shift 2
fi
[ $# -gt 0 ] || usage
uv=/opt/zephyr/python/bin/uv
command -v "$uv" >/dev/null 2>&1 || uv=uv
export UV_CACHE_DIR="$ZEPHYR_CACHE/uv"
python=$(built_python)
[ -x "$folder/bin/python" ] || "$uv" venv --system-site-packages --python "${python:-python3}" "$folder"
"$uv" pip install --python "$folder/bin/python" "$@"
say "they are in $folder: . $folder/bin/activate"
