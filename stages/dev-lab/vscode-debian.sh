#!/bin/sh
# Installs VS Code from Microsoft's apt repository.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    repository=${OPT_VSCODE_REPO:-https://packages.microsoft.com/repos/code stable main}
    # The package asks whether to add its own repository; it is there already.
    echo 'code code/add-microsoft-repo boolean true' | debconf-set-selections
    try "VS Code could not be installed from $repository: without a way there, choose code-server, or set vscode_repo and vscode_key." \
        vendor_apt vscode /usr/share/keyrings/microsoft.gpg \
        "${OPT_VSCODE_KEY:-https://packages.microsoft.com/keys/microsoft.asc}" "$repository" code
    say "Installed $(dpkg-query -W code)"
}

main </dev/null
