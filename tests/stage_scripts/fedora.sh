# Both labs on an instance whose package manager is the real dnf, with packages made here.
# shellcheck shell=bash disable=SC2016,SC2034,SC2154

say "--- Fedora: the real dnf, packages made here"
launch_foreign fedora
base=$(sed -n '/install_packages/,/[^\\]$/p' stages/ai-lab/packages-fedora.sh | sed 's/install_packages//; s/\\$//')
# shellcheck disable=SC2086
"$standins/like.sh" fedora "$lab" 1.0 $base nodejs "npm:$files/bin/npm" "node:$files/bin/node" "uv:$files/uv"
inside 'mkdir -p /srv/vendor && install -d -m 700 /srv/vendor/keys
    GNUPGHOME=/srv/vendor/keys gpg --batch -q --passphrase "" --quick-generate-key "stand-in <stand-in@localhost>" rsa2048 sign never
    GNUPGHOME=/srv/vendor/keys gpg --batch -q --armor --export >/srv/key.asc'
lxc file push -q --mode 755 "$files/editors/editor" "$lab/srv/code.file" </dev/null
inside 'rpm-repo /srv/vendor 1.100.0 code:/srv/code.file && rpm-repo /srv/unpacked 2.0 windsurf:/srv/code.file'

common=(--family fedora --set sources=1 --set dnf_mirror=file:///srv/fedora/ --set "pip_index=$index")
must step ai-lab --set "torch_index=$index" --set components=
must verify ai-lab --set "torch_index=$index" --set components=
expect "PyTorch alone is proven" "$output" 'CPU only: PyTorch 2\.9\.0'
expect "the packages came by dnf" "$(inside 'rpm -q jq gcc-c++ python3-devel')" $'jq-1\.0-1\.noarch\ngcc-c\\+\\+-1\.0-1\.noarch\npython3-devel-1\.0-1\.noarch'
expect "the mirror stands instead of Fedora's list" "$(inside 'grep -h "^baseurl\|^metalink" /etc/yum.repos.d/fedora*.repo')" \
    $'baseurl=file:///srv/fedora/updates/\\$releasever/.*\nbaseurl=file:///srv/fedora/releases/\\$releasever/.*'
must step ai-lab --only packages
expect "set again, it is the same" "$(inside 'grep -ch "^#*baseurl=file:" /etc/yum.repos.d/fedora*.repo')" $'1\n1'

fingerprint=$(inside "gpg --batch --with-colons --show-keys /srv/key.asc | awk -F: '\$1 == \"fpr\" { print \$10; exit }'")
windsurf=/srv/unpacked/windsurf-2.0-1.noarch.rpm
common+=(--set toolchains=distribution --set languages='node python' --set editors='vscode cursor windsurf' --set continue=0
    --set vscode_repo=file:///srv/vendor --set "vscode_key=file:///srv/key.asc#fingerprint=$fingerprint"
    --set "windsurf_url=file://$windsurf#sha256=$(inside "sha256sum <$windsurf" | cut -d' ' -f1)")
inside 'dnf -q -y install node >/dev/null'
must step dev-lab
expect "an editor whose server cannot be reached is told in words" "$output" \
    ".*cursor: failed in [0-9.]+ s: Cursor could not be installed from https://downloads\.cursor\.com/yumrepo: .*set cursor_url.*"
expect "its repository does not stay to break updates" "$(inside 'ls /etc/yum.repos.d | grep -c cursor' || true)" 0
must verify dev-lab
expect "the verdict names all, and what is missing" "$output" 'ok: Node 24\.1\.0, Python 3\.11\.[0-9]+, VS Code, Windsurf; without Cursor'

"$standins/like.sh" fedora "$lab" 1.1 jq curl
inside 'rpm-repo /srv/vendor 1.101.0 code:/srv/code.file'
must update dev-lab
expect "an update brings what the repositories have" "$(inside 'rpm -q jq code')" $'jq-1\.1-1\.noarch\ncode-1\.101\.0-1\.noarch'
expect "downloads of packages do not stay" "$(inside 'find /var/cache/dnf -name "*.rpm" | wc -l')" 0

# Signed by somebody else than the key that was given.
inside 'dnf -q -y remove code >/dev/null; rm -rf /etc/yum.repos.d/vscode.repo /srv/vendor/keys; install -d -m 700 /srv/vendor/keys
    GNUPGHOME=/srv/vendor/keys gpg --batch -q --passphrase "" --quick-generate-key "stand-in <stand-in@localhost>" rsa2048 sign never
    rpm-repo /srv/vendor 1.102.0 code:/srv/code.file'
phase step dev-lab --only vscode
expect "a repository with a wrong signature is refused in words" "$output" '.*VS Code could not be installed from .*set vscode_repo and vscode_key\.'
expect "nothing of it is left" "$(inside 'rpm -q code; ls /etc/yum.repos.d' || true)" '.*not installed.*fedora\.repo'
phase step dev-lab --only packages --set dnf_mirror=file:///srv/nothing
expect "a mirror that is not there is told in words" "$output" '.*The package lists cannot be read.*dnf_mirror\.'
