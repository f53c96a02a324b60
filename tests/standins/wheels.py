#!/usr/bin/env python3
"""A Python package index with stand-ins for PyTorch and ROCm.

    wheels.py FOLDER NAME==VERSION ...

Adds wheels to FOLDER/simple. A version with `+rocm7.14.0` is built for ROCm of that version, and
depends on it as AMD's wheels do; `+cu130` for CUDA. The stand-in torch really multiplies matrices, in
plain Python; it offers a GPU exactly where /dev/kfd can be opened."""

import base64
import hashlib
import os
import sys
import zipfile

TORCH = '''"""A stand-in for PyTorch: enough for a matrix product."""
import os, random, types

__version__ = "VERSION"
version = types.SimpleNamespace(hip=HIP, cuda=CUDA)


class Tensor:
    def __init__(self, rows, device="cpu"):
        self.rows, self.device = rows, types.SimpleNamespace(type=device)

    def _like(self, rows):
        return Tensor(rows, self.device.type)

    def to(self, device):
        return Tensor(self.rows, device)

    def cpu(self):
        return self.to("cpu")

    def __matmul__(self, other):
        columns = list(zip(*other.rows))
        return self._like([[sum(map(float.__mul__, row, column)) for column in columns] for row in self.rows])

    def __sub__(self, other):
        return self._like([list(map(float.__sub__, *pair)) for pair in zip(self.rows, other.rows)])

    def abs(self):
        return self._like([list(map(abs, row)) for row in self.rows])

    def max(self):
        return max(map(max, self.rows))


def rand(rows, columns):
    return Tensor([[random.random() for _ in range(columns)] for _ in range(rows)])


class cuda:
    @staticmethod
    def is_available():
        return bool(version.hip or version.cuda) and os.access("/dev/kfd", os.R_OK | os.W_OK)

    @staticmethod
    def get_device_properties(index):
        return types.SimpleNamespace(name="Stand-in GPU", gcnArchName="gfx1151:sramecc-:xnack-")
'''


def content(name, version):
    """The module of a package, and its metadata beyond name and version."""
    _, _, local = version.partition("+")
    if name == "rocm":
        return "", ["Provides-Extra: libraries", "Provides-Extra: device-gfx1151"]
    if name not in ("torch", "torchvision", "torchaudio"):
        return f'__version__ = "{version}"\n', []
    metadata = []
    if name != "torchaudio":
        metadata.append("Provides-Extra: device-gfx1151")
    if name != "torch":
        return "", metadata + ["Requires-Dist: torch"]
    hip = cuda = None
    if local.startswith("rocm"):
        hip = local.removeprefix("rocm")
        metadata.append(f"Requires-Dist: rocm[libraries]=={hip}")
    elif local.startswith("cu"):
        cuda = f"{local[2:-1]}.{local[-1]}"
    text = TORCH.replace("VERSION", version).replace("HIP", repr(hip)).replace("CUDA", repr(cuda))
    return text, metadata


def wheel(folder, name, version):
    """Writes one wheel and lists it."""
    module, metadata = content(name, version)
    place = os.path.join(folder, "simple", name)
    os.makedirs(place, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata]
    files = {
        f"{name.replace('-', '_')}/__init__.py": module,
        f"{info}/METADATA": "\n".join(head) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: stand-in\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = []
    with zipfile.ZipFile(os.path.join(place, f"{stem}-py3-none-any.whl"), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
            total = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={total},{len(text.encode())}")
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]) + "\n")
    links = (f'<a href="{file.replace("+", "%2B")}">{file}</a>' for file in sorted(os.listdir(place)) if file.endswith(".whl"))
    with open(os.path.join(place, "index.html"), "w") as file:
        file.write("<!DOCTYPE html>\n" + "<br>\n".join(links) + "\n")


if __name__ == "__main__":
    for package in sys.argv[2:]:
        wheel(sys.argv[1], *package.split("==", 1))
