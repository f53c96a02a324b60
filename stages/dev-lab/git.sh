#!/bin/sh
# Tells Git who the user is.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    if [ -n "${OPT_GIT_NAME:-}" ]; then as_lab git config --global user.name "$OPT_GIT_NAME"; fi
    if [ -n "${OPT_GIT_EMAIL:-}" ]; then as_lab git config --global user.email "$OPT_GIT_EMAIL"; fi
    say "Git commits as ${OPT_GIT_NAME:-} <${OPT_GIT_EMAIL:-}>."
}

main </dev/null
