#!/bin/sh
# Installs VS Code from Microsoft's apt repository.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    key=https://packages.microsoft.com/keys/microsoft.asc#fingerprint=BC528686B50D79E339D3721CEB3E94ADBE1229CF
    repository=${OPT_VSCODE_REPO:-https://packages.microsoft.com/repos/code stable main}
    # The package asks whether to add its own repository; it is there already.
    echo 'code code/add-microsoft-repo boolean true' | debconf-set-selections
    try "VS Code could not be installed from $repository: without a way there, choose code-server, or set vscode_repo and vscode_key." \
        vendor_apt vscode /usr/share/keyrings/microsoft.gpg \
        "${OPT_VSCODE_KEY:-$key}" "$repository" code
    say "Installed $(dpkg-query -W code)"
}

main </dev/null
