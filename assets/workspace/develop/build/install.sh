#!/bin/sh
# Languages: compilers, Rust and R of the distribution, Go of PyPI's wheel, Julia and VSCodium of their projects, by SHA-256.
# shellcheck source=SCRIPTDIR/../../common/lib.sh
. /opt/workspace/build/common/lib.sh
julia=1.10.10
codium=1.109.51242

apt-get update -q -o Acquire::Retries=3
# Debian's newer Rust has another name
rust=$(first_of rustc-web rustc)
cargo=$(first_of cargo-web cargo)
packages build-essential pkg-config cmake ninja-build gdb python3-dev "$rust" "$cargo" r-base-core

python3 -m venv /opt/go
locked /opt/go /opt/workspace/build/develop/requirements.txt
say "go: $(/opt/go/bin/go version)"

export PATH="/opt/node/bin:$PATH" npm_config_update_notifier=false npm_config_fund=false
npm_package yarn 1.22.22 c17d3797fb9a9115bf375e31bfd30058cac6bc9c3b8807a3d8cb2094794b51ca
npm_package pnpm 10.20.0 47a3352808501b8d1ef20112273b6a5dcfa53d28a55bcce36d268e878bd6bfe9
npm install -g --prefix /opt/node --no-audit --ignore-scripts "$downloads/yarn.tgz" "$downloads/pnpm.tgz"

case $(architecture) in
    amd64)
        julia_file=x64/1.10/julia-$julia-linux-x86_64.tar.gz julia_sum=6a78a03a71c7ab792e8673dc5cedb918e037f081ceb58b50971dfb7c64c5bf81
        codium_file=VSCodium-linux-x64-$codium.tar.gz codium_sum=66dba3b928d1ce9b367fb05c855016e31f247829c72b940718dbde08b444f904
        ;;
    arm64)
        julia_file=aarch64/1.10/julia-$julia-linux-aarch64.tar.gz julia_sum=a4b157ed68da10471ea86acc05a0ab61c1a6931ee592a9b236be227d72da50ff
        codium_file=VSCodium-linux-arm64-$codium.tar.gz codium_sum=0235887d05ab2ed184e15debe8600203dd7a7305e5f724ff8a86dfc1f2eb0811
        ;;
    *) julia_file='' codium_file='' ;;
esac
if [ -n "$julia_file" ] && fetch "https://julialang-s3.julialang.org/bin/linux/$julia_file" "$julia_sum" julia.tar.gz; then
    mkdir -p /opt/julia
    tar -xzf "$downloads/julia.tar.gz" -C /opt/julia --strip-components 1 --no-same-owner
else
    leave_out Julia "julialang-s3.julialang.org was not reached, or has none for $(architecture)"
fi
if [ -n "$codium_file" ] && fetch "https://github.com/VSCodium/vscodium/releases/download/$codium/$codium_file" "$codium_sum" codium.tar.gz; then
    packages libnss3 libgbm1 libgtk-3-0 libasound2 libsecret-1-0 libxkbfile1
    mkdir -p /opt/codium
    tar -xzf "$downloads/codium.tar.gz" -C /opt/codium --no-same-owner
    ln -sf /opt/codium/bin/codium /usr/local/bin/codium
else
    leave_out VSCodium "github.com was not reached, or has none for $(architecture)"
fi
tidy
