# shellcheck shell=sh
# What a login shell has on top: the user's own environment of Python first, then the image's.
PATH="$HOME/venv/bin:$HOME/.local/bin:/opt/ml/bin:/opt/jupyter/bin:/opt/node/bin:/opt/code/bin:/opt/julia/bin:/opt/go/bin:$PATH"
export PATH
[ ! -d "$HOME/venv" ] || export VIRTUAL_ENV="$HOME/venv"
if [ -r /run/workspace/limits ]; then
    # shellcheck source=/dev/null
    . /run/workspace/limits
    export OMP_NUM_THREADS
fi
