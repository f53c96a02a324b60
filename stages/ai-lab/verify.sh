#!/bin/sh
# Proves the lab: PyTorch multiplies matrices on the chosen device, the result is compared with the
# CPU's, and a silent fall-back to the CPU is a failure. ComfyUI must start. The last line of output
# is the verdict. Needs nothing but the lab itself, so that it can judge any snapshot.
set -eu

venv=/home/lab/venv
gpu=${OPT_GPU:-cpu}

main() {
    [ -x $venv/bin/python ] ||
        fail "no Python environment" "The Python environment $venv is missing: recreate the lab, or restore a snapshot that holds it."
    # stdout is the short form for lists; what to do goes to stderr.
    device=$(as_lab $venv/bin/python -c "$(proof)" "$gpu" "${HOST_GFX:-}") || {
        printf 'FAILED: %s\n' "$device"
        exit 1
    }
    verdict=$device
    case " ${OPT_COMPONENTS:-} " in
        *' comfyui '*) check_comfyui ;;
    esac
    printf '%s\n' "$verdict"
}

# SHORT WORDS
fail() {
    printf 'FAILED: %s\n' "$1"
    printf '%s\n' "$2" >&2
    exit 1
}

as_lab() (
    cd /home/lab
    set -a
    for file in /etc/halolab/*.env; do
        # shellcheck disable=SC1090
        [ ! -r "$file" ] || . "$file"
    done
    set +a
    exec runuser -u lab -- env HOME=/home/lab USER=lab LOGNAME=lab "$@" </dev/null
)

proof() {
    cat <<'PYTHON'
import ctypes, glob, os, sys

gpu, host_gfx = sys.argv[1:3]

def fail(short, words):
    print(short)
    print(words, file=sys.stderr)
    sys.exit(1)

def why_no_gpu():
    if gpu == "rocm":
        nodes = ["/dev/kfd"] + sorted(glob.glob("/dev/dri/renderD*"))
        if not os.path.exists("/dev/kfd"):
            return "/dev/kfd is not in the lab: the host's amdgpu driver offers none, or the profile does not pass it"
        if len(nodes) == 1:
            return "no /dev/dri/renderD* is in the lab: the profile does not pass the GPU"
        closed = [node for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
        if closed:
            return f"the user lab may not open {closed[0]} (owner group {os.stat(closed[0]).st_gid}, mode {os.stat(closed[0]).st_mode & 0o777:o})"
        return "the devices are there, but the driver refuses: its kernel may be too old for this ROCm line"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "libcuda.so.1 is not in the lab: the host's NVIDIA driver has no user-space libraries, or nothing passed them in"
    if not glob.glob("/dev/nvidia[0-9]*"):
        return "no /dev/nvidia* is in the lab: the profile does not pass the GPU"
    return "the driver refuses: it may be too old for this CUDA line"

try:
    import torch
except Exception as error:
    fail("PyTorch cannot be imported", f"PyTorch cannot be imported ({type(error).__name__}: {error}): run the lab's update, or restore a snapshot.")

version = "PyTorch " + torch.__version__.split("+")[0]
device = "cpu"
name = "CPU only"
stack = ""
if gpu != "cpu":
    built = "rocm" if torch.version.hip else "cuda" if torch.version.cuda else "cpu"
    if built != gpu:
        fail(f"{version} is built for {built}, not {gpu}", f"{version} is a build for {built}: something replaced it. Run the lab's update, which puts the build for {gpu} back.")
    if not torch.cuda.is_available():
        reason = why_no_gpu()
        fail(f"no GPU inside, {version} fell to the CPU", f"PyTorch sees no GPU: {reason}. 'halolab doctor' checks the host.")
    device = "cuda"
    properties = torch.cuda.get_device_properties(0)
    if gpu == "rocm":
        name = getattr(properties, "gcnArchName", "").split(":")[0] or properties.name
        if host_gfx and name != host_gfx:
            fail(f"the GPU answers as {name}, not {host_gfx}", f"The GPU answers as {name}, but this machine has {host_gfx}: remove HSA_OVERRIDE_GFX_VERSION from the lab's environment.")
        import importlib.metadata as metadata
        try:
            stack = "ROCm " + metadata.version("rocm")
        except metadata.PackageNotFoundError:
            stack = "ROCm " + ".".join(torch.version.hip.split(".")[:2])
    else:
        name, stack = properties.name, "CUDA " + torch.version.cuda

try:
    a, b = torch.rand(256, 256), torch.rand(256, 256)
    there = a.to(device) @ b.to(device)
    if there.device.type != device:
        fail(f"the calculation ran on {there.device.type}", f"The calculation ran on {there.device.type} instead of {device}.")
    difference = float((there.cpu() - a @ b).abs().max())
except Exception as error:
    fail("a calculation fails on " + name, f"A matrix product fails on {name} ({type(error).__name__}: {error}).")
if not difference < 0.05:
    fail(f"{name} calculates wrongly", f"A matrix product on {name} differs from the CPU's by {difference}: the GPU stack does not fit this GPU.")
print(f"{name}: {version}" if device == "cpu" else f"{name} ok: {stack}, {version}")
PYTHON
}

check_comfyui() {
    [ -f /home/lab/ComfyUI/main.py ] ||
        fail "$device, ComfyUI missing" "ComfyUI is not in /home/lab/ComfyUI: run the lab's update."
    tests=$(mktemp -d /tmp/halolab-verify.XXXXXX)
    chown lab:lab "$tests"
    if ! as_lab timeout 300 /usr/local/bin/comfyui --quick-test-for-ci --user-directory "$tests" >"$tests/log" 2>&1; then
        tail -n 15 "$tests/log" >&2
        rm -rf "$tests"
        fail "$device, ComfyUI does not start" "ComfyUI does not start; its last lines are above. A custom node may be the cause: restore a snapshot, or run the lab's update."
    fi
    rm -rf "$tests"
    verdict="$device, ComfyUI $(comfyui_version)"
    if [ -d /run/systemd/system ] && systemctl is-enabled -q comfyui.service 2>/dev/null; then wait_for_service; fi
}

comfyui_version() {
    as_lab $venv/bin/python -c 'import sys; sys.path.insert(0, "ComfyUI"); from comfyui_version import __version__; print(__version__)' 2>/dev/null ||
        as_lab git -C ComfyUI describe --tags --always
}

wait_for_service() {
    address=http://127.0.0.1:${OPT_COMFYUI_PORT:-8188}/system_stats
    seconds=0
    until curl -fsS --noproxy '*' -m 5 -o /dev/null "$address" 2>/dev/null; do
        seconds=$((seconds + 1))
        if [ $seconds -ge 90 ]; then
            journalctl -q -u comfyui.service -n 15 --no-pager -o cat >&2 || true
            fail "$device, ComfyUI's service does not answer" "The service of ComfyUI does not answer on port ${OPT_COMFYUI_PORT:-8188}: another program may hold the port; 'journalctl -u comfyui' inside the lab says more."
        fi
        sleep 1
    done
}

main </dev/null
