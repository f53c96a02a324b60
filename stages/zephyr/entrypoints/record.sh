#!/bin/sh
# Runs a command whose output must not be lost: zephyr-record NAME COMMAND ARGUMENT...
#   jobs/NAME-TIME.log     everything that it wrote, by itself: no pipe that somebody could close
#   jobs/NAME.status       one line of JSON: state, exit code, log; replaced as a whole. While it runs, `updated_at` moves
#                          each ZEPHYR_BEAT seconds (5): one that stands still was killed with its container or machine
# What is shown here (`docker logs`) is a copy. SIGTERM and SIGINT end the command by SIGINT to all of its processes:
# Spack's builds would outlive a SIGTERM.

. "${ZEPHYR_ENTRYPOINTS:-/opt/zephyr/entrypoints}/common.sh"
[ $# -gt 1 ] || usage
name=$1
shift
case $name in '' | *[!A-Za-z0-9._-]* | -* | .*) die "a job's name is made of letters, digits, -, _ and ." ;; esac
jobs=${ZEPHYR_JOBS:-$ZEPHYR_CACHE/zephyr_jobs}
mkdir -p "$jobs"
log=$jobs/$name-$(date -u +%Y%m%dT%H%M%SZ).log
: >>"$log"
started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
status() { # STATE CODE
  printf '{"schema":"zephyr.job/1","job":"%s","state":"%s","exit":%s,"started_at":"%s","updated_at":"%s","log":"%s"}\n' \
    "$name" "$1" "$2" "$started" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${log##*/}" >"$jobs/$name.status.new"
  mv -f "$jobs/$name.status.new" "$jobs/$name.status"
}
stopped='' heard='' child=''
# Before the child is the leader of its group there is no group to signal.
stop() {
  stopped=yes heard=yes
  [ -z "$child" ] || until kill -s INT -- "-$child" 2>/dev/null || ! kill -0 "$child" 2>/dev/null; do sleep 0.1; done
}
trap stop INT TERM
status running null
# As the leader of a group of its own, and not deaf to SIGINT, as a shell's background commands are.
# The pipe stays open and empty: Spack 1.1's new installer takes no /dev/null.
mkfifo "$jobs/.$name.input" 2>/dev/null || true
exec 8<>"$jobs/.$name.input"
rm -f "$jobs/.$name.input"
# shellcheck disable=SC2086
setsid $hearing "$@" <&8 >>"$log" 2>&1 &
child=$!
[ -z "$stopped" ] || stop
(
  # Only while it waits: a status that is half written would come after the last one.
  pause=
  trap 'kill $pause 2>/dev/null; exit 0' TERM
  trap '' INT
  while kill -0 "$child" 2>/dev/null; do
    sleep "${ZEPHYR_BEAT:-5}" & pause=$!
    wait "$pause"
    status running null
  done
) >/dev/null 2>&1 &
beat=$!
tail -n +1 -F --pid="$child" "$log" 2>/dev/null &
copy=$!
# A signal of ours ends the waiting, not the command, and what it ends with then is the signal's: it is asked again. Where
# the command's own code was told all the same, nobody knows it the second time (127).
code=0 again=
while :; do
  heard='' now=0
  wait "$child" || now=$?
  [ -z "$again" ] || [ "$now" != 127 ] || break
  code=$now
  [ -n "$heard" ] || break
  again=yes
done
# It must not say that what has ended runs.
kill "$beat" 2>/dev/null || true
wait "$beat" 2>/dev/null || true
state=succeeded
[ "$code" = 0 ] || state=failed
[ -z "$stopped" ] || state=killed
status "$state" "$code"
copied=0
wait "$copy" || copied=$?
# BusyBox' tail waits for nobody, and ended at once.
[ "$copied" != 1 ] || cat "$log" 2>/dev/null || true
exit "$code"
