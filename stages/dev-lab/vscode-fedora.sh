#!/bin/sh
# Installs VS Code from Microsoft's dnf repository.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    key=https://packages.microsoft.com/keys/microsoft.asc#fingerprint=BC528686B50D79E339D3721CEB3E94ADBE1229CF
    repository=${OPT_VSCODE_REPO:-https://packages.microsoft.com/yumrepos/vscode}
    try "VS Code could not be installed from $repository: without a way there, choose code-server, or set vscode_repo and vscode_key." \
        vendor_dnf vscode "${OPT_VSCODE_KEY:-$key}" "$repository" code
    say "Installed $(rpm -q code)"
}

main </dev/null
