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
say() { printf 'install: %s\n' "$*"; }
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
  if has apt-get; then
    root env DEBIAN_FRONTEND=noninteractive apt-get -q update
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

get_cargo() {
  find_cargo && return
  PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
  if ! has rustup; then
    may "halolab is built with Rust $wanted or newer, which is not here: install it with rustup, for you alone?"
    if has pacman; then packages '' rustup ''
    elif has apt-get && apt-cache policy rustup 2>/dev/null | grep -q '^ *Candidate: [^(]'; then packages rustup '' ''
    else
      has curl || packages 'curl ca-certificates' curl curl
      curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal --no-modify-path ||
        fail "rustup could not be fetched: see https://rustup.rs, or build elsewhere and use HALOLAB_BIN=FILE"
    fi
  else
    may "Rust here is older than $wanted: let rustup fetch the current one?"
  fi
  rustup toolchain install stable --profile minimal --no-self-update
  rustup default >/dev/null 2>&1 || rustup default stable
  find_cargo || { cargo="rustup run stable cargo"; new_enough "$(version rustup run stable cargo)"; } ||
    fail "the newest Rust that rustup finds is older than $wanted: type \`rustup update\`, then run this again"
}

# ---- build and install
program=${HALOLAB_BIN:-}
if [ -n "$program" ]; then
  [ -x "$program" ] || fail "HALOLAB_BIN=$program is not a program"
else
  get_cargo
  has cc || has gcc || {
    may "A C compiler is needed to build the cryptography library: install gcc?"
    packages 'gcc libc6-dev' gcc gcc
  }
  say "building with $cargo (the first time takes some minutes)"
  # shellcheck disable=SC2086
  if [ $profile = release ]; then
    (cd "$here" && $cargo build --release --locked --quiet)
  else
    (cd "$here" && $cargo build --locked --quiet)
  fi
  program=${CARGO_TARGET_DIR:-$here/target}/$profile/halolab
fi
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
