//! Which lines are errors and warnings, by real lines and by those that only look so.

use halolab::log::{Severity, severity};
use rstest::rstest;

use crate::fixtures::bytes;

#[rstest]
#[case("bad.c:4:20: error: 'undefined_name' undeclared (first use in this function)")]
#[case("bad.cc:1:10: fatal error: nothing.h: No such file or directory")]
#[case("m.c:(.text+0xa): undefined reference to `nowhere'")]
#[case("collect2: error: ld returned 1 exit status")]
#[case("make[2]: *** [Makefile:3: bad.o] Error 1")]
#[case("CMake Error at CMakeLists.txt:3 (find_package):")]
#[case("ninja: build stopped: subcommand failed.")]
#[case("FAILED: [code=1] CMakeFiles/sample.dir/f6.c.o ")]
#[case("configure: error: no acceptable C compiler found in $PATH")]
#[case("error[E0308]: mismatched types")]
#[case("error: could not compile `sample` (bin \"sample\") due to 1 previous error")]
#[case("E: Unable to locate package nothing")]
#[case("ERROR: Could not find a version that satisfies the requirement nothing")]
#[case("Traceback (most recent call last):")]
#[case("ModuleNotFoundError: No module named 'nothing'")]
#[case("urllib.error.URLError: <urlopen error [Errno 111] Connection refused>")]
#[case("thread 'main' (12) panicked at src/main.rs:2:5:")]
#[case("cc1plus: out of memory allocating 65536 bytes")]
#[case("write error: No space left on device")]
#[case("./run.sh: line 3: 4711 Segmentation fault      (core dumped) ./a.out")]
#[case("/bin/sh: 1: nothing: Permission denied")]
#[case("bash: line 1: 812 Killed                  ./k.sh")]
#[case("\u{1b}[1;31m==>\u{1b}[0m Error: ProcessError: Command exited with status 1:")]
#[case("main.cpp(3): error C2065: 'x': undeclared identifier")]
#[case("nvcc fatal   : Unsupported gpu architecture 'compute_30'")]
#[case("2026-11-22 10:00:01 error: the disk is gone")]
#[case("10:00:01 ERROR foo")]
#[case("[ERROR] Failed to execute goal on project sample")]
#[case("[error] the build stops")]
#[case("2026-11-22 10:00:01,123 - root - ERROR - cannot connect")]
#[case("2026-11-22 10:00:01,123 ERROR root: cannot connect")]
#[case("[2026-11-22T10:00:01Z ERROR sample::net] connection lost")]
#[case("2026-11-22T10:00:01.123456Z ERROR sample::net: connection lost")]
#[case("2026-11-22 10:00:01.123 [main] ERROR com.example.App - it broke")]
#[case("2026/11/22 10:00:01 [error] 12#0: *1 open() \"/x\" failed")]
#[case("2026/11/22 10:00:01 [emerg] 1#1: bind() to 0.0.0.0:80 failed")]
#[case("[2026-11-22 10:00:01] [ERROR] it broke")]
#[case("[10:00:01] ERROR: it broke")]
#[case("time=\"2026-11-22T10:00:01Z\" level=error msg=\"it broke\"")]
#[case("level=error")]
#[case("ts=2026-11-22T10:00:01Z caller=main.go:3 level=fatal err=x")]
#[case("{\"level\":\"error\",\"ts\":1700000000,\"msg\":\"it broke\"}")]
#[case("{\"time\": \"2026-11-22\", \"severity\": \"CRITICAL\", \"message\": \"x\"}")]
#[case("Nov 22 10:00:01 host sample[12]: ERROR it broke")]
#[case("2026-11-22T10:11:12.1234567Z ##[error]Process completed with exit code 1.")]
fn errors(#[case] line: &str) {
    assert_eq!(severity(line.as_bytes()), Some(Severity::Error), "{line}");
}

#[rstest]
#[case("f2.c:1:19: warning: unused variable ‘unused’ [-Wunused-variable]")]
#[case("CMake Warning at CMakeLists.txt:3:")]
#[case("CMake Deprecation Warning at CMakeLists.txt:1 (cmake_minimum_required):")]
#[case("warning: unused import: `std::fs`")]
#[case("W: Failed to fetch http://deb.example/x  Temporary failure")]
#[case("setup.py:3: DeprecationWarning: distutils is gone")]
#[case("WARNING: Running pip as the 'root' user can result in broken permissions")]
#[case("==> Warning: Skipping build of a since b failed")]
#[case("warning: variable `error` is never used")]
#[case("2026-11-22 10:00:01 WARN foo")]
#[case("2026-11-22 10:00:01 warning: it is old")]
#[case("[WARNING] it is old")]
#[case("2026-11-22 10:00:01,123 - root - WARNING - it is old")]
#[case("level=warning msg=old")]
#[case("{\"level\":\"warn\",\"msg\":\"old\"}")]
fn warnings(#[case] line: &str) {
    assert_eq!(severity(line.as_bytes()), Some(Severity::Warning), "{line}");
}

#[rstest]
#[case("checking for error: no")]
#[case("checking for strerror_r... yes")]
#[case("checking whether the compiler accepts -Werror... no")]
#[case("-- Performing Test HAVE_FLAG - Failed")]
#[case("-- Looking for error.h - not found")]
#[case("gcc -Wall -Werror -c error.c -o error.o")]
#[case("  CC       lib/error.lo")]
#[case("[12/345] Building C object CMakeFiles/x.dir/error.c.o")]
#[case("[ 12%] Building C object warning.c.o")]
#[case("0 errors, 0 warnings")]
#[case("Build finished: no errors")]
#[case("make[1]: [Makefile:3: clean] Error 1 (ignored)")]
#[case("install -m 644 error.h /usr/include/error.h")]
#[case("configure:3412: error: not one of ours, the log of configure")]
#[case("int error = 0; /* an error in words */")]
#[case("test_error_handling ... ok")]
#[case("note: the macro is defined here")]
#[case("Setting up liberror-perl (0.17029-2) ...")]
#[case("")]
#[case("10:00:01 0 errors")]
#[case("2026-11-22 10:00:01 INFO no error")]
#[case("2026-11-22 10:00:01 INFO retry after error 3")]
#[case("10:00:01 error.rs compiled")]
#[case("10:00:01 ERRORS_ONLY=1")]
#[case("src/error.rs:12: note: -Werror is set")]
#[case("2026-11-22 10:00:01 [info] error.rs was read")]
#[case("[errors] 0")]
#[case("cmake -Dlevel=error --log-level=error ..")]
#[case("{\"level\":\"info\",\"msg\":\"error handling is on\"}")]
#[case("level=info msg=\"0 errors\"")]
#[case("no error")]
#[case("errors: 0")]
fn nothing(#[case] line: &str) {
    assert_eq!(severity(line.as_bytes()), None, "{line}");
}

/// Builds that ended well have no errors in their logs.
#[test]
fn logs_of_good_builds_have_no_errors() {
    for name in [
        "diffutils",
        "jansson",
        "lab-maple",
        "lab-pine",
        "lab-xylo",
        "libevent",
        "libsigsegv",
        "lz4",
        "ncurses",
        "sed",
    ] {
        let log = bytes(&format!("spack/build-{name}.log.gz"));
        let bad: Vec<_> = log
            .split(|byte| *byte == b'\n')
            .filter(|line| severity(line) == Some(Severity::Error))
            .map(String::from_utf8_lossy)
            .collect();
        assert!(bad.is_empty(), "{name}: {bad:#?}");
    }
}

#[test]
fn a_long_line_is_looked_at_only_at_its_begin() {
    let mut line = vec![b'x'; 1 << 24];
    line.extend(b" error: late");
    assert_eq!(severity(&line), None);
}
