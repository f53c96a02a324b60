# Beside a program that has the terminal: waits for its end, and gives the terminal back where it was killed.
# $1: the terminal; standard output is it, too. $2: its modes of before, as words of stty. $3: what to say. $4: `screen`,
# or `shell`, while the terminal is taken. What follows comes as lines of standard input: `modes ...`, `words ...`, and
# `screen`, `shell` or `given`. Without a last `given` the program was killed.
trap '' HUP INT QUIT TERM TSTP TTIN TTOU PIPE
modes=$2 words=$3 has=$4
while IFS= read -r line; do
  case $line in
    screen | shell) has=$line ;;
    given) has='' ;;
    'modes '*) modes=${line#modes } ;;
    'words '*) words=${line#words } ;;
  esac
done
[ "$has" ] || exit 0
# the end of a frame, mouse, focus and paste modes, colours, the alternate screen, the cursor, line wrap
give() {
  printf '\033[?2026l\033[?1006l\033[?1015l\033[?1003l\033[?1002l\033[?1000l\033[?1004l\033[?2004l\033[0m\033[?1049l\033[?25h\033[?7h' &&
    case $has in shell) printf '\033[?1l\033>' ;; esac &&
    printf '\r%s\r\n' "$words"
}
# where the program led its session, its end hung the terminal up for all who had it open
give || { exec >"$1" && give; }
exec 3>&1
# a shell that edits its line by now has modes of its own, in which output is processed
case $(stty -a <&3) in
  *-opost*) stty $modes <&3 ;;
esac
