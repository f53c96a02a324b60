#!/bin/sh
# Firefox and Chromium. Ubuntu's packages of them are snaps, which no container runs: there it is said, and left out.
# shellcheck source=SCRIPTDIR/../../common/lib.sh
. /opt/workspace/build/common/lib.sh
# shellcheck source=/dev/null
. /etc/os-release
if [ "$ID" = ubuntu ]; then
    leave_out "Firefox, Chromium" "Ubuntu has them as snaps alone: choose Debian as the base"
else
    packages firefox-esr chromium chromium-sandbox
fi
tidy
