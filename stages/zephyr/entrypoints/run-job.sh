#!/bin/sh
# Runs a command with the environment's programs: zephyr-run-job COMMAND ARGUMENT...

. "${ZEPHYR_ENTRYPOINTS:-/opt/zephyr/entrypoints}/common.sh"
[ $# -gt 0 ] || usage
for view in "$ZEPHYR_STORE"/views/*/bin; do
  [ ! -d "$view" ] || PATH=$view:$PATH
done
export PATH
# A build writes into a file: what holds lines back would hide how far it is.
export PYTHONUNBUFFERED=1
exec "$@"
