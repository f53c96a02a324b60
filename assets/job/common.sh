# What the runner of a job and the questions about it share. POSIX sh with what BusyBox has; runs inside a lab.
# Files of a job, in /var/lib/halolab/jobs/ID (0700):
#   job.json       what was asked for; written once
#   spec           environment, folder and command, as shell; read once, then removed: it may hold secrets
#   script         the script of a stage's step, where it is one
#   log.raw        what the command wrote to stdout and stderr, by itself: no pipe, nobody in between
#   log.raw.times  lines `EPOCH_MS BYTES`: how long log.raw was then; one each second in which it grew
#   status.json    one line; replaced as a whole at each change and each second (heartbeat)
#   lock           held by flock while the runner lives; `runner.id` has its pid and start time for who has no flock
#   child          pid (and process group) and start time of the command
#   stop           a wish to end it: SIGNAL GRACE_SECONDS TOKEN
jobs=/var/lib/halolab/jobs

# stat_of PID: state, process group, session, start time (ticks since the machine's boot) and wait status of a process.
stat_of() {
  st_line=
  read -r st_line 2>/dev/null <"/proc/$1/stat" || [ -n "$st_line" ] || return 1
  case $st_line in
    *') '*) ;;
    *) st_line=$(tr '\n' ' ' 2>/dev/null <"/proc/$1/stat") || return 1 ;; # a name with a line feed in it
  esac
  st_exit=${st_line##* }
  set -- ${st_line##*) }
  [ $# -ge 20 ] || return 1
  st_state=$1 st_group=$3 st_session=$4
  shift 19
  st_start=$1
}

# lives FILE: whether the process named in FILE (pid and start time) is there and no zombie.
lives() {
  li_pid= li_start=
  read -r li_pid li_start 2>/dev/null <"$1" || return 1
  [ -n "$li_start" ] && stat_of "$li_pid" && [ "$st_start" = "$li_start" ] || return 1
  case $st_state in Z | X | x) return 1 ;; esac
}

# members: me_group, the command's group, and what lives of the command: me_in in the group, me_out of what left it
# (found by its environment). False where there is none.
members() {
  me_pid= me_start= me_group= me_in= me_out=
  read -r me_pid me_start 2>/dev/null <child || return 1
  # The number of a group that ended may be somebody else's by now: its leader must be the one that we started.
  if stat_of "$me_pid" && [ "$st_start" = "$me_start" ]; then me_group=$me_pid; fi
  for me_process in /proc/[0-9]*; do
    me_one=${me_process#/proc/}
    stat_of "$me_one" || continue
    case $st_state in Z | X | x) continue ;; esac
    if [ "$st_group" = "$me_group" ]; then
      me_in="$me_in $me_one"
    elif [ "$me_one" = "$me_group" ]; then
      me_out="$me_out $me_one" # It does not lead its group yet.
    elif is_ours "$me_one"; then
      me_out="$me_out $me_one"
    fi
  done
  [ -n "$me_in$me_out" ]
}

# is_ours PID: whether its environment says that it is of this job.
is_ours() {
  tr '\0' '\n' 2>/dev/null <"/proc/$1/environ" | grep -qxF "HALOLAB_JOB=$id"
}

# keeps_on PID SESSION: whether a process of the command goes on with its work where the command itself ended: one in the
# command's session. A daemon does not: it has a session of its own, or is deaf to HUP (nohup) and writes elsewhere.
keeps_on() {
  stat_of "$1" && [ "$st_session" = "$2" ] || return 1
  case $st_state in Z | X | x) return 1 ;; esac
  ! deaf "$1" || writes "$1"
}
# writes PID: whether its stdout or stderr is the log of the job.
writes() {
  [ "/proc/$1/fd/1" -ef log.raw ] || [ "/proc/$1/fd/2" -ef log.raw ]
}
# deaf PID: whether it ignores HUP, the lowest bit of what it ignores.
deaf() {
  while read -r de_key de_value; do
    if [ "$de_key" = SigIgn: ]; then
      case $de_value in *[13579bdf]) return 0 ;; esac
      return 1
    fi
  done 2>/dev/null <"/proc/$1/status"
  return 1
}

# signal_job SIGNAL: to the command's group, and to what of it left the group.
signal_job() {
  members || return 0
  for sj_one in $me_out; do kill -s "$1" "$sj_one" 2>/dev/null; done
  [ -z "$me_in" ] || kill -s "$1" -- "-$me_group" 2>/dev/null
  return 0
}

# size_of FILE: its length, without reading it.
size_of() {
  set -- $(ls -nd -- "$1" 2>/dev/null) 0 0 0 0 0
  si_size=$5
}
