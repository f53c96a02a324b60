#!/bin/sh
# Installs PyTorch of the chosen line into /home/lab/venv, or brings it up to date within the line,
# and pins it there, so that no custom node can replace it by a build without the GPU.
set -eu
. /usr/local/lib/halolab/lab.sh

venv=/home/lab/venv
gpu=${OPT_GPU:-cpu}

main() {
    unset PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_CONSTRAINT || true
    if [ "${OPT_PYTORCH_SOURCE:-wheels}" = distribution ]; then install_distribution; fi
    make_venv
    write_pip_settings
    if [ "${OPT_PYTORCH_SOURCE:-wheels}" = wheels ]; then install_wheels; fi
    pin
    write_gpu_environment
    say "PyTorch $(version_of torch) is installed and pinned."
}

install_distribution() {
    case $IMAGE_FAMILY-$gpu in
        arch-cpu) set -- python-pytorch python-torchvision ;;
        arch-rocm) set -- python-pytorch-rocm python-torchvision-rocm ;;
        arch-cuda) set -- python-pytorch-cuda python-torchvision-cuda ;;
        debian-cpu | fedora-cpu) set -- python3-torch ;;
        *) fail "Debian, Ubuntu and Fedora have no proven PyTorch for the GPU: choose wheels as pytorch_source." ;;
    esac
    try "The distribution's PyTorch could not be installed; the lines above say why." install_packages "$@"
}

# Prints the Python that the environment is made with.
choose_python() {
    wanted=${OPT_PYTHON:-auto}
    if [ "${OPT_PYTORCH_SOURCE:-wheels}" = distribution ]; then wanted=image; fi
    own=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$wanted" = auto ]; then
        case $own in
            3.10 | 3.11 | 3.12 | 3.13 | 3.14) wanted=image ;;
            *) wanted=3.12 ;;
        esac
    fi
    if [ "$wanted" = image ]; then
        command -v python3
    else
        say "Python $wanted comes from uv" >&2
        fetch_python "$wanted" >&2
        as_lab /opt/uv/bin/uv python find --managed-python "$wanted"
    fi
}

fetch_python() {
    [ -x /opt/uv/bin/python ] || python3 -m venv /opt/uv
    try "uv could not be installed from the Python package index." thrice /opt/uv/bin/pip install -q --no-cache-dir --upgrade \
        ${OPT_PIP_INDEX:+--index-url "$OPT_PIP_INDEX"} uv
    try "Python $1 could not be fetched: give a mirror as python_mirror, or take the image's (python = image)." \
        thrice as_lab env ${OPT_PYTHON_MIRROR:+UV_PYTHON_INSTALL_MIRROR="$OPT_PYTHON_MIRROR"} \
        /opt/uv/bin/uv python install "$1"
}

make_venv() {
    if [ -x $venv/bin/python ] && $venv/bin/python -c 'import pip' 2>/dev/null; then
        say "The Python environment $venv is there: $($venv/bin/python --version)"
        return 0
    fi
    # Not in a subshell of a command: there `set -e` would be off.
    python=$(choose_python)
    [ -n "$python" ] || fail "There is no Python to make the environment with; the lines above say why."
    # An upgrade of the distribution's Python leaves an environment that points nowhere.
    rm -rf $venv
    set -- -m venv
    if [ "${OPT_PYTORCH_SOURCE:-wheels}" = distribution ]; then set -- "$@" --system-site-packages; fi
    say "Making the Python environment $venv with $python"
    try "The Python environment could not be made." as_lab "$python" "$@" $venv
    touch $venv/constraints.txt
    chown lab:lab $venv/constraints.txt
}

# Read by each pip inside the environment, ComfyUI-Manager's too.
write_pip_settings() {
    {
        echo '[global]'
        echo 'disable-pip-version-check = true'
        if [ -s /etc/ssl/certs/ca-certificates.crt ]; then echo 'cert = /etc/ssl/certs/ca-certificates.crt'; fi
        if [ -n "${OPT_PIP_INDEX:-}" ]; then echo "index-url = $OPT_PIP_INDEX"; fi
        if [ -n "${OPT_PIP_INDEX:-}" ] && [ "${OPT_PIP_INDEX#http://}" != "$OPT_PIP_INDEX" ]; then
            echo "trusted-host = $(host_of "$OPT_PIP_INDEX")"
        fi
        echo '[install]'
        echo "constraint = $venv/constraints.txt"
    } >$venv/pip.conf
}

host_of() { printf '%s\n' "$1" | sed -E 's#^[a-z]+://([^/@]*@)?([^/:]+).*#\2#'; }

# Sets index and requirements from the line.
choose_wheels() {
    line=
    requirements='torch torchvision torchaudio'
    case $gpu in
        rocm)
            line=${OPT_ROCM_LINE:-7.14}
            gfx=${OPT_GFX:-${HOST_GFX:-}}
            [ "$line" = 7.2 ] || [ -n "$gfx" ] ||
                fail "The GPU's code name is not known: set gfx, as in gfx = \"gfx1151\"."
            device="rocm[libraries,device-$gfx]~=$line.0 torch[device-$gfx] torchvision[device-$gfx] torchaudio"
            case $line in
                7.14) index=https://repo.amd.com/rocm/whl-multi-arch/ requirements=$device ;;
                10.0) index=https://stable.repo.amd.com/rocm/whl-next/ requirements=$device ;;
                7.2) index=https://download.pytorch.org/whl/rocm7.2 ;;
                *) fail "There is no ROCm line $line here: 7.14, 10.0 or 7.2." ;;
            esac
            ;;
        cuda) line=${OPT_CUDA_LINE:-cu130} index=https://download.pytorch.org/whl/$line ;;
        *) index=https://download.pytorch.org/whl/cpu ;;
    esac
    index=${OPT_TORCH_INDEX:-$index}
}

install_wheels() {
    choose_wheels
    # pip is content with what is installed where an index does not answer: an update would do nothing
    # and seem to have worked.
    try "The index $index does not answer. Without a way to that server, set torch_index or pytorch_source = distribution." \
        thrice curl -fsSL --connect-timeout 20 -o /dev/null "${index%/}/torch/"
    say "Installing $requirements from $index"
    # One index alone: beside PyPI, a newer build for another GPU would win. The pins of the former
    # version are left out of this one call; they would keep an update from doing anything.
    set -- --upgrade --upgrade-strategy only-if-needed --index-url "$index"
    case $index in http://*) set -- "$@" --trusted-host "$(host_of "$index")" ;; esac
    # shellcheck disable=SC2086
    try "PyTorch could not be installed from $index; the lines above say why. Where it has no build for this Python or \
GPU, choose another line or python = 3.12." \
        thrice as_lab env PIP_CONSTRAINT=/dev/null \
        $venv/bin/python -m pip install "$@" $requirements
    check_line
}

# A build for the wrong device would only show as slowness.
check_line() {
    built=$(as_lab $venv/bin/python -c 'import torch; print(torch.version.hip and "rocm" or torch.version.cuda and "cuda" or "cpu")') ||
        fail "PyTorch is installed but cannot be imported; the lines above say why."
    [ "$built" = "$gpu" ] ||
        fail "The index $index gave a PyTorch for $built, not for $gpu. Set torch_index to an index with builds for $gpu."
}

version_of() {
    as_lab $venv/bin/python -c 'import sys, importlib.metadata as m; print(m.version(sys.argv[1]))' "$1"
}

pin() {
    as_lab $venv/bin/python -c '
import importlib.metadata as metadata
names = {"torch", "torchvision", "torchaudio", "rocm", "pytorch-triton-rocm", "triton-rocm", "triton"}
found = {}
for package in metadata.distributions():
    name = (package.metadata["Name"] or "").lower().replace("_", "-")
    if name in names or name.startswith("rocm-sdk-"):
        found.setdefault(name, package.version)
print("\n".join(f"{name}=={version}" for name, version in sorted(found.items())))
' >$venv/constraints.txt || fail "The installed packages cannot be listed."
    [ -s $venv/constraints.txt ] || fail "PyTorch is not in $venv although its installation reported no error."
    chown lab:lab $venv/constraints.txt
    say "Pinned: $(tr '\n' ' ' <$venv/constraints.txt)"
}

write_gpu_environment() {
    {
        echo "UV_CONSTRAINT=$venv/constraints.txt"
        # Faster matrix products on gfx1151 than rocBLAS alone.
        if [ "$gpu" = rocm ]; then echo 'ROCBLAS_USE_HIPBLASLT=1'; fi
    } >/etc/halolab/gpu.env
    cat >/etc/profile.d/halolab-venv.sh <<PROFILE
# The lab's Python environment is the one that a shell of lab uses.
[ "\$(id -un)" != lab ] || PATH=$venv/bin:\$PATH
PROFILE
}

main </dev/null
