#!/bin/sh
# PyTorch, TensorFlow, JAX and what is used with them, for the GPU that WS_GPU says: cuda, rocm, cpu. Versions are pinned in
# the requirements; their sums are the index's.
# shellcheck source=SCRIPTDIR/../../common/lib.sh
. /opt/workspace/build/common/lib.sh
requirements=/opt/workspace/build/ml/requirements.txt
torch=2.15.0 torchvision=0.29.2 torchaudio=2.11.0
packages libgl1 libglib2.0-0 libgomp1
python3 -m venv /opt/ml
case ${WS_GPU:-cpu} in
    cuda) index='' ;;
    rocm) index=https://download.pytorch.org/whl/rocm7.2 ;;
    cpu) index=https://download.pytorch.org/whl/cpu ;;
    *) fail "WS_GPU is '$WS_GPU': it is cuda, rocm or cpu" ;;
esac
# one call for all of it: a second could change what the first chose
set -- "torch==$torch" "torchvision==$torchvision" "torchaudio==$torchaudio" -r "$requirements"
if [ -n "$index" ]; then
    /opt/ml/bin/pip install -q --index-url "$index" "torch==$torch" "torchvision==$torchvision" ||
        fail "PyTorch $torch for $WS_GPU was not fetched from $index: where that host is not reached, name a proxy that does \
(\`halolab workspace setup --build-proxy http://HOST:PORT\`), or leave the profile ml out (\`--profiles\`), then build again"
    set -- "torch==$torch" -r "$requirements"
else
    set -- "$@" -r /opt/workspace/build/ml/cuda.txt
fi
/opt/ml/bin/pip install -q --only-binary :all: "$@"
find /opt/ml -name __pycache__ -prune -exec rm -rf {} +
mkdir -p /usr/local/share/jupyter/kernels/ml
printf '{"argv": ["/opt/ml/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "Python (ml)", "language": "python"}\n' \
    >/usr/local/share/jupyter/kernels/ml/kernel.json
tidy
