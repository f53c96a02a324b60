# The development lab on Debian: first run, update, proof, editors that cannot be had.
# Rust (rustup) and uv come from their real servers; Go, Node and the editors from stand-ins.
# shellcheck shell=bash disable=SC2016,SC2034,SC2154

say "--- dev-lab on Debian"
files=$state/files
"$standins/archives.sh" "$files" 1.25.3
"$standins/apt-repo.sh" "$files" 1.100.0 code:"$files/editors/editor"
serve files "$standins/serve.py" "$files" --bind "$host"
base=$(address_of files)
archive=code-server-1.25.3-linux-$(dpkg --print-architecture).tar.gz

launch dev projects cache
# Ubuntu's images come with a user of the number that the data folders belong to.
inside 'useradd -m -u 1000 ubuntu && touch /home/ubuntu/kept'
common=(--family debian --set sources=1 --set git_name='Ada L.' --set git_email=ada@localhost
    --set editors='code-server vscode windsurf antigravity'
    --set "go_server=$base/go" --set "node_server=$base/node" --set npm_registry=https://registry.npmjs.org
    --set "code_server_url=$(summed "$base/editors/$archive" "$files/editors/$archive")"
    --set "extension_url=$(summed "$base/editors/continue.vsix" "$files/editors/continue.vsix")"
    --set "windsurf_url=$base/nothing.tar.gz#sha256=$(printf x | sha256sum | cut -d' ' -f1)"
    --set "vscode_repo=$base/apt stable main" --set "vscode_key=$(keyed "$base/apt/key.asc" "$files/apt/key.asc")"
    --set "antigravity_url=$(summed "$base/editors/Antigravity-1.25.3.tar.gz" "$files/editors/Antigravity-1.25.3.tar.gz")")
must step dev-lab
expect "an editor that cannot be had is told in words" "$output" \
    '.*windsurf: failed in [0-9.]+ s: Windsurf could not be installed from http://.*nothing\.tar\.gz; the lines above say why\..*'
must verify dev-lab
expect "the verdict names all, and what is missing" "$output" \
    'ok: Rust [0-9.]+, Go 1\.25\.3, Node 1\.25\.3, Python 3\.11\.[0-9]+, code-server, VS Code, Antigravity; without Windsurf'
expect "the user may use cargo and Go in a login shell" "$(inside 'su -l lab -c "cargo --version; go version; echo \$GOMODCACHE"')" \
    $'cargo [0-9.]+ .*\ngo version go1\\.25\\.3 .*\n/data/cache/go-mod'
expect "projects lie on the mount" "$(inside 'su -l lab -c "echo hello >projects/file" && cat /data/projects/file')" hello
expect "the image's own user 1000 became lab" "$(inside 'id -un 1000; id -gn lab; ls /home/lab/kept')" $'lab\nlab\n/home/lab/kept'
expect "Git knows the user" "$(inside 'su -l lab -c "git config user.name"')" 'Ada L\.'
expect "without a password sudo asks for none" "$(inside 'su -l lab -c "sudo -n id -un"')" root

"$standins/archives.sh" "$files" 1.25.4
"$standins/apt-repo.sh" "$files" 1.101.0 code:"$files/editors/editor"
must update dev-lab --set windsurf_url="$(summed "$base/editors/Antigravity-1.25.3.tar.gz" "$files/editors/Antigravity-1.25.3.tar.gz")"
must verify dev-lab
expect "an update brings the newest" "$output" 'ok: Rust [0-9.]+, Go 1\.25\.4, Node 1\.25\.4, .*'
expect "the vendor's repository brings the newest editor" "$(inside 'dpkg-query -W -f "\${Version}" code')" '1\.101\.0'

# A repository signed by somebody else is refused, and leaves nothing behind that breaks apt.
inside 'apt-get -qq purge -y code >/dev/null 2>&1; rm /etc/apt/sources.list.d/vscode.sources'
rm -rf "$state/apt-keys" "$files/apt-keys"
mv "$files/apt/key.asc" "$files/former.asc"
"$standins/apt-repo.sh" "$files" 1.102.0 code:"$files/editors/editor"
phase step dev-lab --only vscode --set "vscode_key=$(keyed "$base/former.asc" "$files/apt/key.asc")"
expect "a key of another fingerprint is refused in words" "$output" '.*The signing key at .* does not match: the fingerprint .*was not given to the package manager.*'
phase step dev-lab --only vscode --set "vscode_key=$(keyed "$base/former.asc" "$files/former.asc")"
expect "a repository with a wrong signature is refused in words" "$output" '.*VS Code could not be installed from .*set vscode_repo and vscode_key\.'
expect "apt still works after it" "$(inside 'ls /etc/apt/sources.list.d/ | grep -c vscode; apt-get -qq update 2>&1 | grep -c ^E:' || true)" '0.0'

# An archive that was tampered with.
printf x >>"$files/node/v1.25.4/node-v1.25.4-linux-$(uname -m | sed s/x86_64/x64/ | sed s/aarch64/arm64/).tar.xz"
inside 'rm -rf /opt/node'
phase step dev-lab --only node
expect "a damaged archive is refused in words" "$output" '.*The SHA-256 of .* does not match: .* Nothing of it was run or unpacked.*'
phase step dev-lab --only code-server --set "code_server_url=$base/editors/$archive"
expect "an address without a sum is refused in words" "$output" '.*code_server_url needs the SHA-256 of the file.*'
phase verify dev-lab
expect "a language that does not work fails the proof" "$output" 'FAILED: Node does not work.*'

