#!/bin/bash
# Fuzzes what halolab reads from outside (fuzz/fuzz_targets), one target after another.
#   tests/fuzz.sh [SECONDS [TARGET...]]    300 s each, all of them
# Needs cargo-fuzz (`cargo install cargo-fuzz`) and a nightly toolchain; without one, the stable compiler with its nightly
# features (RUSTC_BOOTSTRAP=1). Begins with what tests/fixtures and stages hold, and goes on with fuzz/corpus, which is not
# kept in git. Each run adds a line a target to target/fuzz.jsonl. A find stays in fuzz/artifacts; mend it with a regression
# test that holds its bytes. Exit code 1 where there is one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case ${1:-300} in *[!0-9]*) sed -n '2,10s/^# \{0,1\}//p' tests/fuzz.sh; exit 2 ;; esac
seconds=${1:-300}
[ $# = 0 ] || shift
command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is missing: type \`cargo install cargo-fuzz\`" >&2; exit 2; }
if rustup run nightly rustc --version >/dev/null 2>&1; then export RUSTUP_TOOLCHAIN=nightly; else export RUSTC_BOOTSTRAP=1; fi
[ $# -gt 0 ] || set -- ansi docker ignore job journal lists lxd output repack simplestreams spack stage trust workspaces

# TARGET: what is known of its kind, as first inputs. Large files by their beginning: a mutation of a megabyte is slow.
seed() {
    corpus=fuzz/corpus/$1
    mkdir -p "$corpus"
    case $1 in
        stage) find stages tests/fixtures/stages tests/fixtures/labs -name '*.toml' ;;
        spack) find tests/fixtures/spack tests/fixtures/progress -name '*.log' -o -name '*.log.gz' ;;
        ansi) find tests/fixtures/hostile tests/fixtures/progress -type f ;;
        *) find "fuzz/seeds/$1" -type f ;;
    esac | while read -r file; do
        case $file in *.gz) zcat "$file" 2>/dev/null ;; *) cat "$file" ;; esac | head -c 16384 \
            >"$corpus/$(printf '%s' "$file" | tr / _)" || true
    done
}

sanitizer=${HALOLAB_FUZZ_SANITIZER:-address}
mkdir -p target
found=0
for target in "$@"; do
    seed "$target"
    log=$(mktemp)
    code=0
    (cd fuzz && cargo fuzz run -s "$sanitizer" "$target" -- -max_total_time="$seconds" -max_len=16384 -timeout=20 -rss_limit_mb=2048 \
        -print_final_stats=1 -verbosity=1) >"$log" 2>&1 || code=$?
    inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
    covered=$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$log" | tail -n 1)
    printf '{"target":"%s","seconds":%s,"inputs":%s,"covered":%s,"code":%s}\n' \
        "$target" "$seconds" "${inputs:-0}" "${covered:-0}" "$code" | tee -a target/fuzz.jsonl
    if [ $code != 0 ]; then
        found=1
        grep -E 'panicked|ERROR: libFuzzer|SUMMARY|Test unit written|error(\[|:)' "$log" >&2 || tail -n 20 "$log" >&2
    fi
    rm -f "$log"
done
exit $found
