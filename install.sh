#!/bin/sh
# Builds halolab, puts it on your PATH and starts it. Run again, it only does what is left to do.
#   ./install.sh [--yes] [--debug] [--no-run] [--to FOLDER] [ARGUMENTS OF HALOLAB]
#   --yes     asks nothing: installs a Rust toolchain and a C compiler where they are missing
#   --debug   builds quickly instead of well
#   --no-run  does not start it
#   --to      puts it there instead of /usr/local/bin (root) or ~/.local/bin
# HALOLAB_BIN=FILE takes this program instead of building one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
yes='' run=1 profile=release folder=''
while [ $# -gt 0 ]; do
  case $1 in
    --yes | -y) yes=1 ;;
    --debug) profile=debug ;;
    --no-run) run='' ;;
    --to) folder=${2:?--to needs a folder}; shift ;;
    --help | -h) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --) shift; break ;;
    -*) echo "install: there is no $1; see ./install.sh --help (arguments of halolab follow --)" >&2; exit 2 ;;
    *) break ;;
  esac
  shift
done
if [ -z "$folder" ]; then
  if [ "$(id -u)" = 0 ]; then folder=/usr/local/bin; else folder=$HOME/.local/bin; fi
fi
began=$(date +%s)
elapsed() { # as 1:05
  seconds=$(($(date +%s) - began))
  printf '%d:%02d' $((seconds / 60)) $((seconds % 60))
}
say() { printf 'install: %s\n' "$*"; }
stage() { say "[$1 of 3] $2 ($(elapsed))"; }
fail() { say "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
terminal() { [ -t 0 ] && [ -t 1 ]; }

may() { # QUESTION
  [ -z "$yes" ] || return 0
  if ! terminal; then
    say "$1 Without a terminal nobody can answer: run it again with --yes." >&2
    exit 2
  fi
  printf 'install: %s [Y/n] ' "$1"
  read -r answer
  case $answer in '' | [Yy]*) ;; *) say "nothing was changed" >&2; exit 7 ;; esac
}

root() { # COMMAND...
  if [ "$(id -u)" = 0 ]; then "$@"
  elif has sudo; then say "sudo $*"; sudo "$@"
  else fail "root is needed: type \`su -c '$*'\`, then run this again"; fi
}

packages() { # DEBIAN -- ARCH -- FEDORA AND SUSE, each a list of packages
  manager_installs "$@" ||
    fail "the package manager could not install them; its lines above say why. Without a network, install $(ours "$@") by hand, or build elsewhere and type \`HALOLAB_BIN=FILE ./install.sh\`"
}
ours() { # the same lists: the one of this machine's package manager
  if has apt-get; then printf %s "$1"
  elif has pacman; then printf %s "$2"
  else printf %s "$3"; fi
}
manager_installs() {
  if has apt-get; then
    root env DEBIAN_FRONTEND=noninteractive apt-get -q update || return 1
    # shellcheck disable=SC2086
    root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $1
  elif has pacman; then
    # shellcheck disable=SC2086
    root pacman -S --needed --noconfirm $2
  elif has dnf; then
    # shellcheck disable=SC2086
    root dnf install -y $3
  elif has zypper; then
    # shellcheck disable=SC2086
    root zypper --non-interactive install --no-recommends $3
  else
    fail "no apt, pacman, dnf or zypper: install $3 by hand, then run this again"
  fi
}

# ---- a Rust toolchain that is new enough
wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$here/Cargo.toml")
new_enough() { # VERSION
  [ "$(printf '%s\n%s\n' "$wanted" "$1" | sort -V | head -n 1)" = "$wanted" ]
}
version() { "$@" --version 2>/dev/null | sed -n 's/^cargo \([0-9][0-9.]*\).*/\1/p'; }
find_cargo() { # sets cargo to the first that is new enough
  for candidate in cargo "${CARGO_HOME:-$HOME/.cargo}/bin/cargo"; do
    found=$(version "$candidate") || found=
    if [ -n "$found" ] && new_enough "$found"; then cargo=$candidate; return 0; fi
  done
  return 1
}

# rustup's installer, by the sums beside it at static.rust-lang.org/rustup/archive/VERSION/.
rustup_version=1.28.2
rustup_x86_64=20a06e644b0d9bd2fbdbfd52d42540bdde820ea7df86e92e533c073da0cdd43c
rustup_aarch64=e3853c5a252fca15252d07cb23a1bdd9377a8c6f3efa01531109281ae47f841c

get_rustup() {
  case $(uname -m) in
    x86_64) sum=$rustup_x86_64 ;;
    aarch64) sum=$rustup_aarch64 ;;
    *) fail "no rustup is known for $(uname -m): install Rust by hand, then run this again" ;;
  esac
  url=https://static.rust-lang.org/rustup/archive/$rustup_version/$(uname -m)-unknown-linux-gnu/rustup-init
  fetched=$(mktemp -d)
  curl --proto '=https' --tlsv1.2 -sSf -o "$fetched/rustup-init" "$url" ||
    fail "rustup could not be fetched: see https://rustup.rs, or build elsewhere and use HALOLAB_BIN=FILE"
  came=$(sha256sum <"$fetched/rustup-init" | cut -d' ' -f1)
  if [ "$came" != "$sum" ]; then
    rm -rf "$fetched"
    fail "the SHA-256 of $url does not match: $sum was expected, $came came; nothing of it was run. Run this again, or install Rust by hand"
  fi
  chmod 755 "$fetched/rustup-init"
  "$fetched/rustup-init" -y --profile minimal --no-modify-path ||
    fail "rustup could not be installed; its lines above say why"
  rm -rf "$fetched"
}

get_cargo() {
  find_cargo && return
  PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
  if ! has rustup; then
    may "halolab is built with Rust $wanted or newer, which is not here: install it with rustup, for you alone?"
    if ! has apt-get && has pacman; then packages '' rustup ''
    elif has apt-get && apt-cache policy rustup 2>/dev/null | grep -q '^ *Candidate: [^(]'; then packages rustup '' ''
    else
      has curl || packages 'curl ca-certificates' curl curl
      get_rustup
    fi
  else
    may "Rust here is older than $wanted: let rustup fetch the current one?"
  fi
  rustup toolchain install stable --profile minimal --no-self-update ||
    fail "rustup could not fetch Rust; its lines above say why. Without a network, build elsewhere and type \`HALOLAB_BIN=FILE ./install.sh\`"
  rustup default >/dev/null 2>&1 || rustup default stable
  find_cargo || { cargo="rustup run stable cargo"; new_enough "$(version rustup run stable cargo)"; } ||
    fail "the newest Rust that rustup finds is older than $wanted: type \`rustup update\`, then run this again"
}

# ---- build
# A build writes about this much, in MiB.
needed=1500
[ $profile = debug ] || needed=1100

check_disk() {
  [ ! -x "$built" ] || return 0
  free=$(df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }')
  [ -z "$free" ] || [ "$free" -ge $needed ] ||
    fail "the disk of $1 has $free MiB free, and a build needs $needed: make room, or type \`CARGO_TARGET_DIR=/ELSEWHERE ./install.sh\`"
}

# What cargo says is kept; what it is at is shown: on a terminal in one line, else every quarter of a minute.
build() {
  log=$into/install.log
  total=$(grep -c '^name = ' "$here/Cargo.lock")
  if [ $profile = debug ]; then set --; else set -- --release; fi
  # shellcheck disable=SC2086
  (cd "$here" && CARGO_TERM_COLOR=never exec $cargo build --locked "$@") >"$log" 2>&1 &
  cargo_pid=$!
  trap 'kill $cargo_pid 2>/dev/null; say "stopped; run it again to go on where it was" >&2; exit 130' INT TERM HUP
  told=0
  while kill -0 $cargo_pid 2>/dev/null; do
    sleep 1
    told=$((told + 1))
    if [ -t 1 ]; then
      printf '\r\033[K%s' "install: $(progress)"
    elif [ $((told % 15)) = 0 ]; then
      say "$(progress)"
    fi
  done
  [ ! -t 1 ] || printf '\r\033[K'
  code=0
  wait $cargo_pid || code=$?
  trap - INT TERM HUP
  [ $code = 0 ] || explain $code
}

progress() {
  now=$(sed -n 's/^ *\(Compiling\|Downloading\|Downloaded\|Updating\|Blocking\) \([^ ]*\).*/\1 \2/p' "$log" | tail -n 1)
  case $now in
    Compiling*) printf '%s of at most %s parts are built or in work, now %s (%s)' "$(grep -c '^ *Compiling' "$log")" "$total" "${now#* }" "$(elapsed)" ;;
    Blocking*) printf 'waiting for another cargo that builds here (%s)' "$(elapsed)" ;;
    *) printf 'fetching the sources of libraries (%s)' "$(elapsed)" ;;
  esac
}

explain() { # EXIT CODE OF CARGO
  said() { grep -qiE "$1" "$log"; }
  tail -n 15 "$log" >&2
  elsewhere="or build elsewhere and type \`HALOLAB_BIN=FILE ./install.sh\`"
  if said 'no space left on device'; then
    fail "the disk is full ($(df -Ph "$into" | awk 'NR == 2 { print $4 " free on " $6 }')): make room, or type \`CARGO_TARGET_DIR=/ELSEWHERE ./install.sh\`"
  elif said 'failed to (download|fetch|query|update|get)|could ?n.t resolve host|unable to update registry|network error|download of .* failed'; then
    fail "the sources of libraries cannot be fetched: is there a network? Behind a proxy type \`HTTPS_PROXY=http://HOST:PORT ./install.sh\`, $elsewhere"
  elif said 'linker .* not found|failed to find tool|is .?(cc|gcc|clang).? installed'; then
    fail "there is no C compiler that works: install gcc and the C library's headers (Debian: libc6-dev), then run this again"
  elif [ "$1" -ge 128 ] || said 'signal: 9|sigkill'; then
    fail "the compiler was killed, most likely for want of memory: type \`CARGO_BUILD_JOBS=1 ./install.sh\`, $elsewhere"
  fi
  fail "the build failed; all that was said is in $log. With an older Rust, type \`rustup update\`, then run this again, $elsewhere"
}

program=${HALOLAB_BIN:-}
if [ -n "$program" ]; then
  [ -x "$program" ] || fail "HALOLAB_BIN=$program is not a program"
else
  into=${CARGO_TARGET_DIR:-$here/target}
  built=$into/$profile/halolab
  stage 1 "looking for Rust $wanted or newer and a C compiler"
  get_cargo
  has cc || has gcc || {
    may "A C compiler is needed to build the cryptography library: install gcc?"
    packages 'gcc libc6-dev' gcc gcc
    has cc || has gcc || fail "there is still no C compiler: install gcc by hand, then run this again"
  }
  mkdir -p "$into" || fail "$into cannot be made: type \`CARGO_TARGET_DIR=/ELSEWHERE ./install.sh\`"
  check_disk "$into"
  stage 2 "building with $cargo (the first time takes some minutes)"
  build
  program=$built
  stage 3 "installing"
fi

# ---- install
target=$folder/halolab
if cmp -s "$program" "$target"; then
  say "$target is up to date"
else
  mkdir -p "$folder" || fail "$folder cannot be made: name another with --to FOLDER"
  # by rename: the old one may be running
  install -m 755 "$program" "$target.new" || fail "$folder cannot be written: name another with --to FOLDER"
  mv "$target.new" "$target"
  say "$("$target" --version 2>/dev/null || echo halolab) is in $target"
fi
case :$PATH: in
  *":$folder:"*) name=halolab ;;
  *) name=$target; say "$folder is not on your PATH: add it in your shell's profile" ;;
esac
if [ -n "$run" ] && { [ $# -gt 0 ] || terminal; }; then exec "$target" "$@"; fi
say "next: \`$name\` in a terminal, or \`$name apply ai-lab --yes\` without one"
