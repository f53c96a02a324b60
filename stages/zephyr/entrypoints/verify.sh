#!/bin/sh
# Whether what was built sees the GPU, a line each: zephyr-verify [--json]
# Ends with 0 where all that was asked for works; --json says it as one line of JSON.

. "${ZEPHYR_ENTRYPOINTS:-/opt/zephyr/entrypoints}/common.sh"
case ${1:-} in '' | --json) ;; *) usage ;; esac
# What the environment has is looked at; without one, both.
if [ -z "${ZEPHYR_VERIFY:-}" ] && [ -f "$environment/spack.lock" ]; then
  ZEPHYR_VERIFY=none
  for pair in py-torch:torch py-jax:jax; do
    ! grep -q "\"name\": *\"${pair%%:*}\"" "$environment/spack.lock" || ZEPHYR_VERIFY="$ZEPHYR_VERIFY ${pair##*:}"
  done
  export ZEPHYR_VERIFY
fi
# An environment may be without Python.
if [ "${ZEPHYR_VERIFY:-}" = none ]; then
  if [ "${1:-}" = --json ]; then echo '{"schema":1,"checks":[]}'; else echo "neither PyTorch nor JAX is in this environment"; fi
  exit 0
fi
python=$(built_python)
if [ -z "$python" ]; then
  [ -f "$environment/spack.lock" ] || die "nothing is built yet; run spack-build first"
  die "there is no Python in $ZEPHYR_STORE/views to be asked: it is not built yet, or spack.yaml has no view there"
fi
exec "$python" -u - "$@" <<'PYTHON'
import importlib
import json
import os
import sys

wanted = [name for name in os.environ.get("ZEPHYR_VERIFY", "torch jax").split() if name != "none"]
nodes = [node for node in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg") if os.path.exists(node)]
gpu = os.environ.get("ZEPHYR_GPU", "on")
as_json = "--json" in sys.argv[1:]
checks = []


def tell(name, version, good, said):
    checks.append({"name": name, "version": str(version), "ok": bool(good), "said": said})
    if not as_json:
        print(f"{name} {version}: {said}")


def torch_says(torch):
    if not torch.version.cuda and not getattr(torch.version, "hip", None):
        return False, "was built without CUDA"
    if not torch.cuda.is_available():
        return False, f"has CUDA {torch.version.cuda}, and sees no GPU"
    one = torch.arange(4096.0, device="cuda").reshape(64, 64)
    right = bool(torch.allclose((one @ one).cpu(), one.cpu() @ one.cpu(), rtol=1e-3))
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    nccl = torch.distributed.is_available() and torch.distributed.is_nccl_available()
    return right, f"{', '.join(names)}; a product of matrices is {'right' if right else 'wrong'}; NCCL {'is' if nccl else 'is not'} there"


def jax_says(jax):
    found = [d for d in jax.devices() if d.platform != "cpu"]
    if not found:
        return False, "sees no GPU"
    import numpy
    one = numpy.arange(4096.0, dtype="float32").reshape(64, 64)
    right = bool(numpy.allclose(numpy.asarray(jax.numpy.matmul(one, one)), one @ one, rtol=1e-2))
    names = ", ".join(str(d.device_kind) for d in found)
    return right, f"{names}; a product of matrices is {'right' if right else 'wrong'}"


for name in wanted:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        tell(name, "", False, f"cannot be imported: {type(error).__name__}: {error}")
        continue
    try:
        good, said = (torch_says if name == "torch" else jax_says)(module)
    except Exception as error:
        good, said = False, f"failed: {type(error).__name__}: {error}"
    if not good and gpu == "off":
        said += "; the GPU is switched off for this lab"
        good = True
    elif not good and not nodes:
        said += "; no GPU is passed into this container"
        good = gpu == "auto"
    tell(name, getattr(module, "__version__", "?"), good, said)
if as_json:
    print(json.dumps({"schema": 1, "checks": checks}))
sys.exit(0 if all(check["ok"] for check in checks) else 1)
PYTHON
