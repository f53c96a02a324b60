#!/bin/sh
# Installs VS Code from Microsoft's dnf repository.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    repository=${OPT_VSCODE_REPO:-https://packages.microsoft.com/yumrepos/vscode}
    try "VS Code could not be installed from $repository: without a way there, choose code-server, or set vscode_repo and vscode_key." \
        vendor_dnf vscode "${OPT_VSCODE_KEY:-https://packages.microsoft.com/keys/microsoft.asc}" "$repository" code
    say "Installed $(rpm -q code)"
}

main </dev/null
