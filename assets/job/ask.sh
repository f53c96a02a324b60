# Questions about jobs, and orders to them: sh -c ASK halolab-job VERB ID ...
# Bytes of the log go to stdout. What is told about the job goes to stderr, a line each:
#   s JSON     the status, when it changed
#   t NEXT LINE   a line of log.raw.times (MS BYTES, unless a full disk tore it), and where the next one begins
#   e BYTES    it ended, and its log is so long   h BYTES SHA256   of the log; w   that it is still being computed
#   i STAGE STEP   how far a package is that Spack builds now: `[12/345]`, `[ 45%]`, out of its own log
#   x          its runner is gone, and the status does not say why     n    there is no such job
#   c          its command lies there, and no runner is there that could have read it
set -u
# A length is one in bytes.
LC_ALL=C
umask 077
unset HALOLAB_EXEC
verb=$1 id=${2:-}
dir=$jobs/$id

# status: the newest line of the status, also where the disk was full.
status() {
  line=
  read -r line 2>/dev/null <"/run/halolab-job-$id" || read -r line 2>/dev/null <status.json || :
}
ended() {
  case $line in
    *'"state":"succeeded"'* | *'"state":"failed"'* | *'"state":"killed"'* | *'"state":"lost"'*) return 0 ;;
  esac
  return 1
}
# tell: what is new; false where the job has ended or is lost.
tell() {
  # Asked in this order: what ends between the two is seen to have ended.
  alive=
  if lives runner.id; then alive=yes; fi
  status
  if [ -n "$line" ] && [ "$line" != "$said" ]; then
    said=$line
    printf 's %s\n' "$line" >&2
  fi
  while IFS= read -r entry <&4; do
    entry=$torn$entry torn=
    at=$((at + ${#entry} + 1))
    printf 't %s %s\n' "$at" "$entry" >&2
  done
  # One that is being written.
  torn=$torn$entry
  if ended; then return 1; fi
  [ -z "$alive" ] || return 0
  # A runner that was started this moment has not written its name yet.
  missing=$((missing + 1))
  [ $missing -ge 3 ] || return 0
  echo x >&2
  return 1
}
# inside: of the packages that are built in this lab now, what their own logs say last. One look at all open files:
# whoever watches must not slow a build.
inside() {
  ls -l /proc/[0-9]*/fd 2>/dev/null |
    grep -oE '/[^ ]*/spack-stage-[^ /]*(/[^ /]*out\.txt|\.log)$' | sort -u | head -n 8 |
    while read -r in_file; do
      in_stage=spack-stage-${in_file##*/spack-stage-}
      in_stage=${in_stage%%/*} in_stage=${in_stage%.log}
      in_step=$(tail -c 8192 "$in_file" 2>/dev/null | tr '\r' '\n' | grep -oE '^\[ *[0-9]+(%|/[0-9]+)\]' | tail -n 1)
      [ -z "$in_step" ] || printf 'i %s %s\n' "$in_stage" "$in_step" >&2
    done
}
pause() { sleep "$1" 2>/dev/null || sleep 1; }

case $verb in
  start) # ID ATTEMPT KIND INSTANCE RUNNER JOB
    [ -e "$dir/spec" ] || { echo "the command did not arrive" >&2; exit 2; }
    chmod 700 /var/lib/halolab "$jobs" "$dir"
    cd "$dir" || exit 2
    if lives runner.id; then
      # One whose command runs has read its own already.
      [ ! -s child ] || rm -f spec
      exit 3
    fi
    # What a runner that was killed left running must not run beside the new one.
    if [ -s child ]; then signal_job KILL; fi
    if ! { printf '%s' "$6" >runner && printf '%s\n' "$7" >job.json; } 2>/dev/null; then
      rm -f spec
      echo "its files cannot be written: the disk of the lab is full, or read-only" >&2
      exit 2
    fi
    rm -f runner.id child stop status.json "/run/halolab-job-$id"
    if command -v setsid >/dev/null 2>&1; then
      # The first makes a leader; the second, which is one, must fork. Nothing is left behind that waits.
      setsid setsid sh runner "$id" "$3" "$4" "$5" </dev/null >/dev/null 2>runner.said
    else
      sh runner "$id" "$3" "$4" "$5" </dev/null >/dev/null 2>runner.said &
    fi
    tries=0
    # Until it has read its command, nobody may put another one there.
    until { [ -s status.json ] || [ -s "/run/halolab-job-$id" ]; } && [ ! -e spec ]; do
      tries=$((tries + 1))
      begun=
      if [ -s status.json ] || [ -s "/run/halolab-job-$id" ]; then begun=yes; fi
      # Its disk is slow.
      if [ -n "$begun" ] && lives runner.id; then
        [ $tries -le 3000 ] || break
      elif [ $tries -gt 500 ] || { [ -n "$begun" ] && [ -e spec ]; }; then
        why=$(head -c 300 runner.said 2>/dev/null)
        # On a full disk it could not even say that.
        if [ -z "$why" ] && ! { echo room >room; } 2>/dev/null; then why="the disk of the lab is full, or read-only"; fi
        # The command may hold secrets.
        rm -f room spec
        echo "the runner did not begin: ${why:-it said nothing}" >&2
        exit 2
      fi
      pause 0.02
    done
    ;;
  follow) # ID BYTES TIMES SECONDS INSIDE: the log from a byte on, for at most so many seconds; 0: only what is told
    cd "$dir" 2>/dev/null || { echo n >&2; exit 0; }
    if [ -e spec ] && ! lives runner.id; then echo c >&2; fi
    [ -e log.raw ] || { [ -e spec ] || echo n >&2; exit 0; }
    said= missing=0 waited=0 looked=0 at=$4 torn=
    [ -e log.raw.times ] || : >>log.raw.times
    exec 4<log.raw.times
    [ "$4" = 0 ] || dd bs="$4" count=1 <&4 >/dev/null 2>&1
    if [ "$5" = 0 ]; then
      missing=2
      tell
      exit 0
    fi
    tail -c "+$(($3 + 1))" -f log.raw 4<&- 2>/dev/null &
    tail=$!
    trap 'kill $tail 2>/dev/null' EXIT
    trap 'exit 0' TERM INT HUP PIPE
    while :; do
      if ! tell; then
        if ended; then
          bytes=${line##*'"bytes":'} bytes=${bytes%%,*}
          printf 'e %s\n' "$bytes" >&2
        fi
        break
      fi
      # Who reads may be gone: then tail is, too.
      kill -0 $tail 2>/dev/null || break
      if [ "${6:-}" = inside ] && [ $waited -ge $looked ]; then
        looked=$((waited + 5000))
        inside
      fi
      [ $waited -lt $(($5 * 1000)) ] || break
      if [ $waited -lt 2000 ]; then pause 0.05 && waited=$((waited + 50))
      elif [ $waited -lt 5000 ]; then pause 0.25 && waited=$((waited + 250))
      else pause 1 && waited=$((waited + 1000)); fi
    done
    ;;
  read) # ID OFFSET BYTES
    cd "$dir" 2>/dev/null || { echo n >&2; exit 0; }
    tail -c "+$(($3 + 1))" log.raw | head -c "$4"
    ;;
  sum) # ID BYTES: of so many bytes of the log. It takes as long as it takes, with a sign of life each second
    cd "$dir" 2>/dev/null || { echo n >&2; exit 0; }
    # What it waits with holds nobody up when it is ended.
    (while kill -0 $$ 2>/dev/null && sleep 1 </dev/null >/dev/null 2>&1; do echo w >&2; done) &
    signs=$!
    trap 'kill $signs 2>/dev/null' EXIT
    trap 'exit 1' TERM INT HUP PIPE
    printf 'h %s %s\n' "$3" "$(head -c "$3" log.raw | sha256sum)" >&2
    ;;
  stop) # ID SIGNAL GRACE TOKEN
    cd "$dir" 2>/dev/null || { echo n >&2; exit 0; }
    if lives runner.id; then
      wish() { (printf '%s %s %s\n' "$1" "$2" "$3" >stop.new) 2>/dev/null && mv -f stop.new stop; }
      # On a full disk there is room for one word more, and else for none: then the command is told by us.
      wish "$3" "$4" "$5" || { rm -f reserve; wish "$3" "$4" "$5"; } || { rm -f stop.new; signal_job "$3"; }
    elif [ -s child ]; then
      # Its runner was killed: nobody else would hear, and who asks must ask again.
      signal_job "$3"
      if members; then exit 4; fi
    fi
    ;;
  left) # ID: whether something of it runs without its runner
    cd "$dir" 2>/dev/null || exit 0
    if ! lives runner.id && members; then exit 4; fi
    ;;
  clear) # ID: the command of one that did not begin
    cd "$dir" 2>/dev/null || exit 0
    if lives runner.id; then exit 3; fi
    rm -f spec
    ;;
  forget) # ID BYTES: 3 where something of it goes on, 5 where its log is longer than the copy
    [ -n "$id" ] || exit 2
    cd "$jobs" 2>/dev/null || exit 0
    if lives "$id/child"; then exit 3; fi
    if lives "$id/runner.id"; then
      # One that has ended and finds no room for its last word waits for nothing else.
      line=
      read -r line 2>/dev/null <"/run/halolab-job-$id" || exit 3
      ended || exit 3
      kill -s KILL "$li_pid" 2>/dev/null
    fi
    if cd "$id" 2>/dev/null; then
      # A daemon does no harm; whoever writes on, or works on, does.
      if members; then
        for one in $me_in $me_out; do
          if writes "$one" || keeps_on "$one" "$me_pid"; then exit 3; fi
        done
      fi
      size_of log.raw
      if [ "$si_size" -gt "$3" ]; then exit 5; fi
      cd ..
    fi
    rm -rf -- "$id" "/run/halolab-job-$id"
    ;;
  *) exit 2 ;;
esac
