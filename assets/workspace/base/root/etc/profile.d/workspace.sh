# shellcheck shell=sh
# /etc/profile sets another path; this one is what every other way into the workspace has.
if [ -r /run/workspace/environment ]; then
    PATH=$(sed -n 's/^PATH=//p' /run/workspace/environment)
    export PATH
fi
