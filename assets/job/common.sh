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

# stat_of PID: state, process group, start time (ticks since the machine's boot) and wait status of a process.
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
  st_state=$1 st_group=$3
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

# signal_job SIGNAL: to the command's group, and to what of it left the group (found by its environment).
signal_job() {
  sj_pid= sj_start=
  read -r sj_pid sj_start 2>/dev/null <child || return 1
  for sj_process in /proc/[0-9]*; do
    sj_one=${sj_process#/proc/}
    tr '\0' '\n' 2>/dev/null <"$sj_process/environ" | grep -qxF "HALOLAB_JOB=$id" || continue
    stat_of "$sj_one" && [ "$st_group" != "$sj_pid" ] && kill -s "$1" "$sj_one" 2>/dev/null
  done
  # The number of a group that ended may be somebody else's by now: its leader must be the one that we started.
  if stat_of "$sj_pid" && [ "$st_start" = "$sj_start" ]; then kill -s "$1" -- "-$sj_pid" 2>/dev/null; fi
  return 0
}

# size_of FILE: its length, without reading it.
size_of() {
  set -- $(ls -nd -- "$1" 2>/dev/null) 0 0 0 0 0
  si_size=$5
}
