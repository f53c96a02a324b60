#!/bin/sh
# Installs Antigravity: from its vendor's repository, or from an archive whose address was given.
set -eu
. /usr/local/lib/halolab/lab.sh

# shellcheck disable=SC2034
main() {
    apt="https://us-central1-apt.pkg.dev/projects/antigravity-auto-updater-dev/ antigravity-debian main"
    apt_keyring=/etc/apt/keyrings/antigravity-repo-key.gpg
    # Google's key for all repositories of its Artifact Registry.
    apt_key=https://us-central1-apt.pkg.dev/doc/repo-signing-key.gpg#fingerprint=35BAA0B33E9EB396F59CA838C0BA5CE6DC6315A3
    yum=https://us-central1-yum.pkg.dev/projects/antigravity-auto-updater-dev/antigravity-rpm
    # Google does not sign these packages.
    yum_key=''
    vendor_editor Antigravity antigravity "${OPT_ANTIGRAVITY_URL:-}"
}

main </dev/null
