#!/bin/sh
# Installs or updates Transformers and JupyterLab, as chosen, in the lab's Python environment.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    set --
    if listed transformers "${OPT_COMPONENTS:-}"; then set -- "$@" transformers accelerate huggingface_hub; fi
    if listed jupyter "${OPT_COMPONENTS:-}"; then set -- "$@" jupyterlab; fi
    say "Installing $*"
    try "They could not be installed; the lines above name the package. Without a way to PyPI, set pip_index." \
        thrice as_lab /home/lab/venv/bin/python -m pip install -q --upgrade --upgrade-strategy only-if-needed "$@"
}

main </dev/null
