#!/bin/sh
# Lists what failed in the output of `cargo test`, a line each: the options that choose its program, and its name.
#   tests/failed.sh OUTPUT
# A program that failed as a whole (it does not build, it was killed) is not listed: a second try would hide it.
awk '
  /^ +Running unittests src\/lib\.rs/ { program = "--lib" }
  /^ +Running unittests src\/main\.rs/ { program = "--bin=halolab" }
  /^ +Running tests\// { program = $2; sub(/^tests\//, "", program); sub(/(\/main)?\.rs$/, "", program); program = "--test=" program }
  /^ +Doc-tests / { program = "" }
  program && /^test .* \.\.\. FAILED$/ { print program, $2 }
' "$1"
