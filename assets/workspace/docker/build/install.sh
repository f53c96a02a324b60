#!/bin/sh
# An engine inside the workspace. It runs only where the workspace was given the rights for it, which are nearly root's.
# shellcheck source=SCRIPTDIR/../../common/lib.sh
. /opt/workspace/build/common/lib.sh
apt-get update -q -o Acquire::Retries=3
# Debian's has its program apart in newer releases; compose is another package in each
set -- docker.io iptables fuse-overlayfs pigz "$(first_of docker-compose-v2 docker-compose || echo docker.io)"
client=$(first_of docker-cli || true)
packages "$@" ${client:+"$client"}
tidy
