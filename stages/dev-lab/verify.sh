#!/bin/sh
# Proves the lab: each chosen language compiles and runs a line, each server answers. What was
# chosen and is missing is named: a language fails the lab, an editor does not. The last line of
# output is the verdict. Needs nothing but the lab itself, so that it can judge any snapshot.
set -eu

found='' without='' work=''

main() {
    id lab >/dev/null 2>&1 || fail "no user lab" "The user lab is missing: recreate the lab, or restore the snapshot clean."
    work=$(mktemp -d /tmp/halolab-verify.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    chown lab:lab "$work"
    for language in ${OPT_LANGUAGES:-}; do prove "$language"; done
    for editor in ${OPT_EDITORS:-}; do look_for "$editor"; done
    if [ "${OPT_OLLAMA:-0}" = 1 ]; then look_for ollama; fi
    if [ -z "$found" ] && [ -z "$without" ]; then found=', base system'; fi
    [ -n "$found" ] || fail "nothing of what was chosen is there" "Nothing of what was chosen is in the lab: run its update, or recreate it."
    verdict="ok: ${found#, }"
    if [ -n "$without" ]; then verdict="$verdict; without ${without#, }"; fi
    printf '%s\n' "$verdict"
}

# SHORT WORDS
fail() {
    printf 'FAILED: %s\n' "$1"
    printf '%s\n' "$2" >&2
    exit 1
}

as_lab() (
    cd "${work:-/}"
    set -a
    for file in /etc/halolab/*.env; do
        # shellcheck disable=SC1090
        [ ! -r "$file" ] || . "$file"
    done
    set +a
    exec runuser -u lab -- env HOME=/home/lab USER=lab LOGNAME=lab \
        PATH=/home/lab/.cargo/bin:/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin "$@" </dev/null
)

# LANGUAGE: compiles or runs a line that prints its version.
prove() {
    case $1 in
        rust)
            printf 'fn main() { println!("works"); }\n' >"$work/proof.rs"
            # shellcheck disable=SC2016
            run_proof Rust 'rustc -o proof proof.rs && [ "$(./proof)" = works ] && cargo --version >/dev/null && rustc --version | cut -d" " -f2'
            ;;
        go)
            printf 'package main\n\nfunc main() { println("works") }\n' >"$work/proof.go"
            run_proof Go 'GOFLAGS=-mod=mod go run proof.go 2>&1 | grep -q works && go version | sed -E "s/.*go([0-9.]+).*/\1/"'
            ;;
        node) run_proof Node 'npm --version >/dev/null && node -e "console.log(process.versions.node)"' ;;
        python) run_proof Python 'uv --version >/dev/null && python3 -m venv venv && venv/bin/python -c "import platform; print(platform.python_version())"' ;;
    esac
}

# NAME COMMANDS
run_proof() {
    if version=$(as_lab sh -c "$2" 2>"$work/errors"); then
        found="$found, $1 $version"
    else
        tail -n 10 "$work/errors" >&2
        fail "$1 does not work" "$1 does not compile or run a line; its messages are above. Run the lab's update, or restore a snapshot."
    fi
}

look_for() {
    case $1 in
        code-server) command=code-server title=code-server path=healthz port=${OPT_CODE_SERVER_PORT:-8080} ;;
        vscode) command=code title='VS Code' port='' ;;
        cursor) command=cursor title=Cursor port='' ;;
        windsurf) command=windsurf title=Windsurf port='' ;;
        antigravity) command=antigravity title=Antigravity port='' ;;
        ollama) command=ollama title=Ollama path=api/version port=11434 ;;
        *) return 0 ;;
    esac
    if ! as_lab sh -c "command -v $command" >/dev/null; then
        without="$without, $title"
    elif [ -n "$port" ] && [ -d /run/systemd/system ] && ! answers "http://127.0.0.1:$port/$path"; then
        without="$without, an answering $title"
    else
        found="$found, $title"
    fi
}

answers() {
    seconds=0
    until curl -fsS --noproxy '*' -m 5 -o /dev/null "$1" 2>/dev/null; do
        seconds=$((seconds + 1))
        [ $seconds -lt 30 ] || return 1
        sleep 1
    done
}

main </dev/null
