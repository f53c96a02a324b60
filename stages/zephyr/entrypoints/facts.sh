#!/bin/sh
# What the image has, as one line of JSON: zephyr-facts

. "${ZEPHYR_ENTRYPOINTS:-/opt/zephyr/entrypoints}/common.sh"
text() { printf '%s' "$1" | tr -cd 'A-Za-z0-9._+/:-' | sed 's/^/"/;s/$/"/'; }
or_null() { if [ -n "$1" ]; then text "$1"; else printf null; fi; }
cuda='' cuda_folder='' cudnn=''
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true)
if [ -n "$nvcc" ]; then
  cuda_folder=$(dirname "$(dirname "$(readlink -f "$nvcc")")")
  # version.json has all three numbers; nvcc itself tells only two.
  cuda=$(sed -n '/"cuda" *:/,/}/s/.*"version" *: *"\([0-9.]*\)".*/\1/p' "$cuda_folder/version.json" 2>/dev/null | head -n 1)
  [ -n "$cuda" ] || cuda=$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')
  # The package is 9.10.2.21-1; Spack puts the toolkit's major number behind.
  cudnn=$(dpkg-query -W -f '${Version}\n' "libcudnn9-cuda-${cuda%%.*}" 2>/dev/null | sed 's/-.*//' || true)
  [ -z "$cudnn" ] || cudnn=$cudnn-${cuda%%.*}
fi
gcc=$(gcc -dumpfullversion 2>/dev/null || true)
fortran=false
! command -v gfortran >/dev/null 2>&1 || fortran=true
spack=$(spack --version 2>/dev/null | sed 's/ .*//' || true)
# The loader knows which level of x86-64 this processor has.
target=$(uname -m)
level=$(/lib64/ld-linux-x86-64.so.2 --help 2>/dev/null | sed -n 's/^ *x86-64-\(v[234]\) (supported.*/\1/p' | sort | tail -n 1 || true)
[ -z "$level" ] || target=${target}_$level
mkdir -p "$ZEPHYR_STORE"
free=$(df -Pk "$ZEPHYR_STORE" | awk 'NR == 2 { print $4 }')
# Rolling distributions have no version.
. "${ZEPHYR_OS_RELEASE:-/etc/os-release}"
printf '{"schema":1,"os":%s,"cuda":%s,"cuda_folder":%s,"cudnn":%s,"gcc":%s,"fortran":%s,"spack":%s,"processors":%s,"target":%s,"free_kib":%s}\n' \
  "$(text "${ID:-linux}${VERSION_ID:-}")" "$(or_null "$cuda")" "$(or_null "$cuda_folder")" "$(or_null "$cudnn")" "$(or_null "$gcc")" \
  "$fortran" "$(or_null "$spack")" "$(nproc)" "$(text "$target")" "${free:-null}"
