# Both labs on an instance whose package manager is the real pacman, with packages made here.
# shellcheck shell=bash disable=SC2016,SC2034,SC2154

say "--- Arch: the real pacman, packages made here"
launch_foreign arch
base='archlinux-keyring base-devel ca-certificates curl git gnupg jq less nano openssl procps-ng python python-pip
    sudo unzip util-linux xz zstd'
# shellcheck disable=SC2086
"$standins/like.sh" arch "$lab" 1.0 $base nodejs "npm:$files/bin/npm" "node:$files/bin/node" "uv:$files/uv" "code:$files/editors/editor"

common=(--family arch --set sources=1 --set "pacman_mirror=file:///srv/pacman" --set "pip_index=$index")
must step ai-lab --set "torch_index=$index" --set components=
must verify ai-lab --set "torch_index=$index" --set components=
expect "PyTorch alone is proven" "$output" 'CPU only: PyTorch 2\.9\.0'
expect "the packages came by pacman" "$(inside 'pacman -Q jq base-devel archlinux-keyring')" $'jq 1\\.0-1\nbase-devel 1\\.0-1\narchlinux-keyring 1\\.0-1'

common=(--family arch --set sources=1 --set "pacman_mirror=file:///srv/pacman" --set toolchains=distribution
    --set languages='node python' --set editors='vscode cursor' --set continue=0)
inside 'pacman --noconfirm -S node >/dev/null'
must step dev-lab --set "pip_index=$index"
expect "an editor without a package for Arch is told in words" "$output" \
    ".*cursor: failed in [0-9.]+ s: Cursor's vendor has packages for Debian, Ubuntu and Fedora only: .*"
must verify dev-lab --set "pip_index=$index"
expect "the verdict names all, and what is missing" "$output" 'ok: Node 24\.1\.0, Python 3\.11\.[0-9]+, VS Code; without Cursor'

"$standins/like.sh" arch "$lab" 1.1 jq archlinux-keyring "code:$files/editors/editor"
# A pacman that was killed leaves its lock.
inside 'touch /var/lib/pacman/db.lck'
must update dev-lab --set "pip_index=$index"
expect "an update brings what the repository has" "$(inside 'pacman -Q jq code archlinux-keyring')" \
    $'jq 1\\.1-1\ncode 1\\.1-1\narchlinux-keyring 1\\.1-1'
phase step dev-lab --only packages --set "pip_index=$index" --set pacman_mirror=file:///srv/nothing
expect "a mirror that is not there is told in words" "$output" '.*The package lists cannot be read.*pacman_mirror\.'
