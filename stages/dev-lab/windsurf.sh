#!/bin/sh
# Installs Windsurf: from its vendor's repository, or from an archive whose address was given.
set -eu
. /usr/local/lib/halolab/lab.sh

# shellcheck disable=SC2034
main() {
    apt="https://windsurf-stable.codeiumdata.com/wVxQEIWkwPUEAGf3/apt stable main"
    apt_keyring=/etc/apt/keyrings/windsurf-stable.gpg
    # Its vendor publishes no fingerprint of the key.
    apt_key=https://windsurf-stable.codeiumdata.com/wVxQEIWkwPUEAGf3/windsurf.gpg#fingerprint=first
    yum=https://windsurf-stable.codeiumdata.com/wVxQEIWkwPUEAGf3/yum/repo/
    yum_key=https://windsurf-stable.codeiumdata.com/wVxQEIWkwPUEAGf3/yum/RPM-GPG-KEY-windsurf#fingerprint=first
    vendor_editor Windsurf windsurf "${OPT_WINDSURF_URL:-}"
}

main </dev/null
