# The runner of one job: sh runner ID ATTEMPT KIND INSTANCE. It outlives whoever started it.
set -u
umask 077
id=$1 attempt=$2 kind=$3 instance=$4
dir=$jobs/$id
cd "$dir" || exit 1
exec 9>>lock
if command -v flock >/dev/null 2>&1; then flock -n 9 || exit 1; fi
unset HALOLAB_EXEC
trap '' HUP
stat_of $$ || exit 1
my_start=$st_start
# Before its name: who knows that may write a `stop`.
rm -f child stop status.json.new
echo "$$ $my_start" >runner.id || { echo "the disk is full" >&2; exit 1; }
: >>log.raw
read -r boot_id </proc/sys/kernel/random/boot_id || boot_id=
case $(date +%N) in
  *[!0-9]* | '') when='%Y-%m-%dT%H:%M:%SZ %s000' ;;
  *) when='%Y-%m-%dT%H:%M:%S.%3NZ %s%3N' ;;
esac
if sleep 0.01 2>/dev/null; then parts=yes; else parts=; fi
# Room for the last word on a full disk.
[ -s reserve ] || dd if=/dev/urandom of=reserve bs=4096 count=8 2>/dev/null

now() {
  set -- $(date -u "+$when")
  now=$1 now_ms=$2
}
# durable FILE...: on the disk. `sync FILE` syncs the whole machine where it is old.
durable() {
  for du_file; do dd if=/dev/null of="$du_file" conv=notrunc,fsync 2>/dev/null; done
}
# How many processes the kernel killed for want of memory: of this lab where its cgroup can be seen, else of the machine.
oom_kills() {
  oom=0 oom_of=machine
  for ok_file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control /proc/vmstat; do
    [ -r $ok_file ] || continue
    [ $ok_file = /proc/vmstat ] || oom_of=lab
    while read -r ok_key ok_value; do
      [ "$ok_key" != oom_kill ] || oom=$((oom + ok_value))
    done <$ok_file
    break
  done
}
# What else was killed is not why the command failed: only a SIGKILL of it counts. What was killed in its lab is said.
out_of_memory() {
  [ $oom -gt $oom_before ] || return 1
  [ $oom_of = machine ] || oomed=true
  [ "$name" = '"SIGKILL"' ] || [ "$code" = 137 ] || return 1
  oomed=true
}

state=starting elsewhere= pid=null ended=null exit=null left=null started= bytes=0
size_of log.raw
log_start=$si_size
torn=
if [ -n "$(tail -c 1 log.raw.times 2>/dev/null)" ]; then
  torn='
'
fi
save() { # [durable]
  now
  [ -n "$started" ] || started=$now
  size_of log.raw
  bytes=$si_size
  if [ "$bytes" != "${told:-none}" ]; then
    # What a full disk took half of ends before the next one.
    if { printf '%s%s %s\n' "$torn" "$now_ms" "$bytes" >>log.raw.times; } 2>/dev/null; then
      told=$bytes torn=
    else
      torn='
'
    fi
  fi
  json="{\"schema\":\"halolab.job/1\",\"job\":\"$id\",\"kind\":\"$kind\",\"container\":\"$instance\",\"state\":\"$state\",\"attempt\":$attempt,\"pid\":$pid,\"runner\":{\"pid\":$$,\"start\":$my_start,\"version\":1},\"host\":{\"boot_id\":\"$boot_id\"},\"started_at\":\"$started\",\"updated_at\":\"$now\",\"heartbeat_at\":\"$now\",\"ended_at\":$ended,\"exit\":$exit,\"left\":$left,\"log\":{\"raw\":\"log.raw\",\"start\":$log_start,\"bytes\":$bytes,\"events\":\"events.jsonl\"}}"
  if write || { rm -f reserve; write; }; then
    # What was said there while the disk was full is old now.
    [ -z "$elsewhere" ] || { rm -f "/run/halolab-job-$id" && elsewhere=; }
  else
    (printf '%s\n' "$json" >"/run/halolab-job-$id") 2>/dev/null
    elsewhere=yes
    return 1
  fi
  if [ $# -gt 0 ]; then durable log.raw status.json; fi
}
write() {
  (printf '%s\n' "$json" >status.json.new) 2>/dev/null && mv -f status.json.new status.json
}

oom_kills
oom_before=$oom
save durable
trap 'echo "TERM 10 runner" >stop' TERM
trap 'echo "INT 10 runner" >stop' INT

# The parent of the command never waits for it: it stays a zombie whose wait status can be read, which tells
# `exit 137` from a SIGKILL. A shell would make both 137.
(
  exec 9>&-
  log=$dir/log.raw
  . ./spec
  rm -f ./spec
  cd "$ru_cwd" 2>>"$log" || set -- sh -c 'echo "the folder $1 cannot be entered" >&2; exit 126' sh "$ru_cwd"
  # By their paths: the job's PATH may be another one.
  if setsid=$(command -v setsid 2>/dev/null); then set -- "$setsid" "$@"; fi
  # Shells start background commands deaf to SIGINT, by which some builds are stopped.
  if env --default-signal=INT,QUIT true 2>/dev/null; then
    set -- "$(command -v env)" --default-signal=INT,QUIT "$@"
  fi
  umask 022
  trap - TERM INT HUP
  (
    # A shell may collect a child that ends at once: the command begins when its parent is a shell no more.
    read -r line </proc/self/stat
    read -r mine </proc/self/comm
    set -- "${line##*) ? }" "$@"
    above=${1%% *} spins=0
    shift
    while read -r name <"/proc/$above/comm" && [ "$name" = "$mine" ] && [ $spins -lt 1000 ]; do
      spins=$((spins + 1))
      [ $spins -lt 100 ] || sleep 0.01
    done
    # Last: from here on every name is the job's.
    unset OLDPWD
    ru_exports
    exec "$@"
  ) </dev/null >>"$log" 2>&1 &
  stat_of $! || exit 1
  tries=0
  until (echo "$! $st_start" >"$dir/child") 2>/dev/null && [ -s "$dir/child" ]; do
    # On a full disk, and before the command gets tired of waiting for us.
    rm -f "$dir/reserve"
    tries=$((tries + 1))
    if [ $tries -gt 5 ]; then
      kill -s KILL $!
      exit 1
    fi
    if [ -n "$parts" ]; then sleep 0.2; fi
  done
  trap '' TERM INT HUP QUIT
  exec sleep 2147483647 </dev/null >/dev/null 2>&1
) &
parent=$!
tries=0
until [ -s child ]; do
  stat_of $parent && [ "$st_state" != Z ] || break
  tries=$((tries + 1))
  [ $tries -lt 3000 ] || break
  if [ -n "$parts" ]; then sleep 0.02; else sleep 1; fi
done
begun=yes
read -r pid child_start 2>/dev/null <child || { pid=null child_start=none begun=; }
state=running
save durable

# In milliseconds since the start: how long it ran, when to beat and to sync next, when to kill, when to count again what
# goes on without the command.
ran=0 beat=1000 sync=5000 killing= given_up= wish= signal= over= session= keepers= count=0
code=null name=null why=unseen oomed=false
# goes_on: whether the command runs, or what it started: that writes, too.
goes_on() {
  if [ -z "$over" ]; then
    if stat_of $pid && [ "$st_start" = "$child_start" ] && [ "$st_state" != Z ]; then
      session=$st_session
      return 0
    fi
    over=yes
    command_ended
    if [ -z "$signal" ] && recount; then save durable; fi
  fi
  if [ -z "$signal" ]; then
    kept
    return
  fi
  members || return 1
  # What hangs in the kernel hears nothing.
  [ -z "$given_up" ] || [ $ran -lt $given_up ]
}
# kept: whether one that was counted is still there, else whether there are others. To look at all processes is dear.
kept() {
  [ $ran -ge $count ] || for ke_one in $keepers; do
    if keeps_on "$ke_one" "$session"; then return 0; fi
  done
  recount
}
recount() {
  keepers='' left=null count=$((ran + 10000))
  set --
  for re_process in /proc/[0-9]*; do
    re_one=${re_process#/proc/}
    keeps_on "$re_one" "$session" || continue
    # Without a session of its own the command is in ours.
    [ "$session" = "$pid" ] || is_ours "$re_one" || continue
    set -- "$@" "$re_one"
  done
  [ $# -gt 0 ] || return 1
  keepers=$*
  left="{\"code\":$code,\"signal\":$name,\"processes\":$#}"
}
# command_ended: how, as the wait status of its zombie says, and why.
command_ended() {
  if stat_of $pid && [ "$st_start" = "$child_start" ]; then
    session=$st_session
    if [ $((st_exit & 127)) = 0 ]; then
      code=$((st_exit >> 8 & 255))
    else
      name="\"SIG$(kill -l $((st_exit & 127)))\""
    fi
  fi
  oom_kills
  if [ "$code" = 0 ]; then why=
  elif out_of_memory; then why=oom
  elif full; then why=disk-full
  elif [ "$name" != null ]; then why=signal
  elif [ "$code" != null ]; then why=exit; fi
}
full() {
  # shellcheck disable=SC2046
  for fu_place in "$dir" /root /tmp; do
    # Where df says nothing, nothing is known.
    set -- $(df -Pk "$fu_place" 2>/dev/null | tail -n 1) 1 1 1 1
    [ "$4" != 0 ] || return 0
  done
  # The bare word is what a `configure` asks for.
  tail -c 16384 log.raw | grep -qiE 'no space left on device|disk quota exceeded|: ENOSPC$'
}
while goes_on; do
  if [ -s stop ] && read -r stop_signal grace token <stop && [ "$wish" != "$stop_signal $token" ]; then
    wish="$stop_signal $token" signal=$stop_signal killing=$((ran + grace * 1000)) state=stopping
    signal_job "$signal"
    save durable
  fi
  if [ -n "$killing" ] && [ $ran -ge $killing ]; then
    # What is deaf to INT may still hear TERM.
    case $signal in
      INT) signal=TERM killing=$((ran + 3000)) ;;
      *) signal=KILL killing= given_up=$((ran + 8000)) ;;
    esac
    signal_job $signal
  fi
  if [ $ran -ge $beat ]; then
    beat=$((ran + 1000))
    # What was born while it was sent.
    [ -z "$given_up" ] || signal_job KILL
    save
    if [ $ran -ge $sync ]; then sync=$((ran + 5000)) && durable log.raw; fi
  fi
  if [ -z "$parts" ]; then tick=1 step=1000
  elif [ $ran -lt 2000 ]; then tick=0.05 step=50
  elif [ $ran -lt 10000 ]; then tick=0.2 step=200
  else tick=0.5 step=500; fi
  sleep $tick
  ran=$((ran + step))
done

left=null reason=$why
if [ -z "$begun" ]; then
  # Its name could not be written down: it was killed before it began.
  state=failed code=126 reason=unseen
  if full; then reason=disk-full; fi
elif [ -n "$signal" ]; then state=killed reason=stopped
elif [ "$code" = 0 ]; then state=succeeded
elif [ "$name" != null ]; then state=killed
elif [ "$code" = null ]; then state=lost
else state=failed; fi
now
ended="\"$now\"" exit="{\"code\":$code,\"signal\":$name,\"oom\":$oomed,\"reason\":\"$reason\"}"
kill -s KILL $parent 2>/dev/null
# On a full disk the last word is said elsewhere, and here as soon as there is room.
tries=0
until save durable; do
  tries=$((tries + 1))
  [ $tries -lt 720 ] || exit 1
  sleep 5
done
rm -f "/run/halolab-job-$id" reserve
