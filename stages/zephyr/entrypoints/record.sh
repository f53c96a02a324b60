#!/bin/sh
# Runs a command whose output must not be lost: zephyr-record NAME COMMAND ARGUMENT...
#   jobs/NAME-TIME.log     everything that it wrote, by itself: no pipe that somebody could close
#   jobs/NAME.status       one line of JSON: state, exit code, log; replaced as a whole. While it runs, `updated_at` moves
#                          each ZEPHYR_BEAT seconds (5): one that stands still was killed with its container or machine
#   jobs/NAME-TIME.jsonl   what happened, a line of JSON each, for who reads with few words: start, package, error, exit, and
#                          alive once a minute; `off` is a place in the log in bytes
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
events=${log%.log}.jsonl
: >>"$log"
started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
status() { # STATE CODE
  printf '{"schema":"zephyr.job/1","job":"%s","state":"%s","exit":%s,"started_at":"%s","updated_at":"%s","log":"%s"}\n' \
    "$name" "$1" "$2" "$started" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${log##*/}" >"$jobs/$name.status.new"
  mv -f "$jobs/$name.status.new" "$jobs/$name.status"
}
event() { # NAME MORE
  printf '{"v":1,"t":"%s","ev":"%s"%s}\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" "$2" >>"$events"
}
# What Spack and others said since the last time, as far as whole lines go; where that was is in a file of its own. Bytes are
# counted, and not letters. Two ends more are marks: what is before the last but one is whole, or left for the next time.
told=$jobs/.${log##*/}.told
echo 0 >"$told"
minute=
tell() { # alive | end
  from=$(cat "$told") size=$(wc -c <"$log" | tr -d ' ')
  if [ "$size" -gt "$from" ]; then
    { tail -c "+$((from + 1))" "$log" | head -c "$((size - from))"; [ "$1" = alive ] || echo; echo; echo; } | tr '\000' '?' |
      LC_ALL=C awk -v at="$from" -v now="$(date -u +%Y-%m-%dT%H:%M:%SZ)" -v events="$events" -v told="$told" '
        function say(ev, text) {
          if (ev == "error" && ++said > 50) return
          gsub(/\033\[[0-9;?]*[A-Za-z]/, "", text); gsub(/[^ -~]/, "?", text); gsub(/["\\]/, "?", text)
          printf "{\"v\":1,\"t\":\"%s\",\"ev\":\"%s\",\"off\":%d,\"text\":\"%s\"}\n", now, ev, at, substr(text, 1, 400) >>events
        }
        NR > 2 {
          if (whole ~ /^(==> Installing |\[\+\] )/) say("package", whole)
          else if (whole ~ /^==> (Error|Warning)|[Ee]rror:|^\[x\] /) say("error", whole)
          at += length(whole) + 1
        }
        { whole = line; line = $0 }
        END {
          if (said > 50) { more = said - 50; said = 0; say("more", more " lines like these") }
          printf "%d\n", at >told
        }' || true
  fi
  if [ "$1" = alive ] && [ "$minute" != "$(date -u +%M)" ]; then
    minute=$(date -u +%M)
    event alive ",\"off\":$size"
  fi
}
stopped='' heard='' child=''
# Before the child is the leader of its group there is no group to signal.
stop() {
  stopped=yes heard=yes
  [ -z "$child" ] || until kill -s INT -- "-$child" 2>/dev/null || ! kill -0 "$child" 2>/dev/null; do sleep 0.1; done
}
trap stop INT TERM
status running null
event start ",\"job\":\"$name\",\"log\":\"${log##*/}\""
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
    tell alive
  done
) >/dev/null 2>&1 &
beat=$!
tail -n +1 -F --pid="$child" "$log" 2>/dev/null &
copy=$!
# What runs beside a container's first process is in `docker logs` all the same.
logs=''
if [ -e /.dockerenv ] && [ -p /proc/1/fd/1 ] && [ -w /proc/1/fd/1 ] && [ "$(readlink /proc/1/fd/1)" != "$(readlink /proc/$$/fd/1)" ]; then
  tail -n +1 -F --pid="$child" "$log" >/proc/1/fd/1 2>/dev/null &
  logs=$!
fi
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
tell end
rm -f "$told"
event exit ",\"state\":\"$state\",\"exit\":$code,\"off\":$(wc -c <"$log" | tr -d ' ')"
copied=0
wait "$copy" || copied=$?
# BusyBox' tail waits for nobody, and ended at once.
[ "$copied" != 1 ] || cat "$log" 2>/dev/null || true
# An engine that takes nothing any more must not hold up the end.
patience=30
while [ -n "$logs" ] && kill -0 "$logs" 2>/dev/null && [ "$patience" -gt 0 ]; do
  sleep 0.1
  patience=$((patience - 1))
done
[ -z "$logs" ] || kill "$logs" 2>/dev/null || true
exit "$code"
