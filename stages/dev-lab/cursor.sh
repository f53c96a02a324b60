#!/bin/sh
# Installs Cursor: from its vendor's repository, or from an archive whose address was given.
set -eu
. /usr/local/lib/halolab/lab.sh

# shellcheck disable=SC2034
main() {
    apt="https://downloads.cursor.com/aptrepo stable main"
    apt_keyring=/usr/share/keyrings/anysphere.gpg
    apt_key=https://downloads.cursor.com/keys/anysphere.asc#fingerprint=380FF4BCDC34A4BD92A3565342A1772E62E492D6
    yum=https://downloads.cursor.com/yumrepo
    yum_key=$apt_key
    vendor_editor Cursor cursor "${OPT_CURSOR_URL:-}"
}

main </dev/null
