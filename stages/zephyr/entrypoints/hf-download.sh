#!/bin/sh
# Downloads a dataset of Hugging Face into the shared cache: zephyr-hf-download DATASET [CONFIGURATION [SPLIT]]
# A token, where one is needed, is read from the file that HF_TOKEN_PATH names, or from ~/.cache/huggingface/token.

. "${ZEPHYR_ENTRYPOINTS:-/opt/zephyr/entrypoints}/common.sh"
case $#:${1:-} in [123]:-* | [123]:) usage ;; [123]:*) ;; *) usage ;; esac
uv=/opt/zephyr/python/bin/uv
command -v "$uv" >/dev/null 2>&1 || uv=uv
[ -f "${HF_TOKEN_PATH:-}" ] || { [ ! -f "${HOME:-}/.cache/huggingface/token" ] || export HF_TOKEN_PATH="$HOME/.cache/huggingface/token"; }
export UV_CACHE_DIR="$ZEPHYR_CACHE/uv" HF_HOME="$ZEPHYR_CACHE/huggingface"
mkdir -p "$HF_HOME"
# Downloads that broke off go on where they were.
"$uv" run --no-project --with datasets python - "$@" <<'PYTHON'
import sys
from datasets import load_dataset

name, *rest = sys.argv[1:]
found = load_dataset(name, *rest[:1], split=rest[1] if len(rest) > 1 else None)
parts = found if isinstance(found, dict) else {rest[1] if len(rest) > 1 else "all": found}
for part, rows in parts.items():
    print(f"{part}: {rows.num_rows} rows, {rows.dataset_size or 0} bytes", flush=True)
PYTHON
say "it is in $HF_HOME"
