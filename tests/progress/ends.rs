//! How tools say that they failed, and what of.

use halolab::progress::{Reader, Summary, Times, Tree};
use rstest::rstest;

use crate::fixtures::{bytes, events, tree, tree_of};

fn summary(tree: &Tree) -> (&'static str, Vec<String>) {
    let summary = Summary::of(tree, None, None);
    let names = summary.failures.into_iter().map(|failure| failure.name);
    (summary.phase, names.collect())
}

#[rstest]
#[case::ninja(
    "ninja-fail",
    "CMakeFiles/sample.dir/f6.c.o",
    "/build/sample/f6.c:1:25: error: "
)]
#[case::make(
    "make-fail",
    "CMakeFiles/sample.dir/f6.c.o",
    "/build/sample/f6.c:1:25: error: "
)]
#[case::cargo("cargo-fail", "sample", "error[E0308]: mismatched types")]
fn a_recorded_build_that_failed_names_its_target_and_the_error(
    #[case] name: &str,
    #[case] target: &str,
    #[case] error: &str,
) {
    let log = bytes(&format!("progress/{name}.log"));
    let tree = tree(&events(&log), &Times::default());
    assert_eq!(summary(&tree), ("failed", vec![target.to_owned()]));
    let failure = &Summary::of(&tree, None, None).failures[0];
    let said = failure.error.as_deref().unwrap();
    assert!(said.starts_with(error), "{said}");
    let at = usize::try_from(failure.offset.unwrap()).unwrap();
    let line = log[at..].split(|byte| *byte == b'\n').next().unwrap();
    assert!(String::from_utf8_lossy(line).contains(target), "its own line");
}

#[rstest]
#[case::ninja("[1/9] x\nninja: error: 'a.c', needed by 'a.o', missing and no known rule to make it\n", &["a.c"])]
#[case::ninja_without_a_file("ninja: error: loading 'build.ninja': No such file or directory\n", &[])]
#[case::ninja_of_before("[1/9] x\nFAILED: a.o \ncc a.c\na.c:1:1: error: b\nninja: build stopped: subcommand failed.\n", &["a.o"])]
#[case::make("cc -c a.c\nmake: *** [Makefile:3: a.o] Error 1\n", &["a.o"])]
#[case::make_of_before("make[1]: *** [a.o] Error 1\nmake: *** [all] Error 2\n", &["a.o"])]
#[case::make_without_a_rule("make: *** No rule to make target 'a.c', needed by 'a.o'.  Stop.\n", &["a.c"])]
#[case::make_without_a_file("make: *** No targets specified and no makefile found.  Stop.\n", &[])]
#[case::make_goes_on("make: *** [Makefile:3: a.o] Error 1\n[ 50%] Building b\nmake: Target 'all' not remade because of errors.\n", &[])]
#[case::make_waits("[ 20%] Building a\nmake: *** [Makefile:3: a.o] Error 1\nmake: *** Waiting for unfinished jobs....\n[ 50%] Building b\n", &["a.o"])]
#[case::make_two_side_by_side("make[1]: *** [Makefile:3: a.o] Error 1\nmake[1]: *** [Makefile:4: b.o] Error 1\nmake: *** [all] Error 2\n", &["a.o", "b.o"])]
#[case::cargo_build_script("   Compiling a v1.0.0\nerror: failed to run custom build command for `a v1.0.0`\n", &["a"])]
#[case::meson("The Meson build system\nmeson.build:3:0: ERROR: Dependency \"x\" not found, tried pkgconfig\n\nA full log can be found at /b/meson-logs/meson-log.txt\n", &["meson.build:3:0"])]
#[case::docker(
    "#1 [internal] load build definition from Dockerfile\n#7 [4/4] RUN make -C /src\n#7 0.310 bad.c:4:20: error: x\n\
     #7 ERROR: process \"/bin/sh -c make\" did not complete successfully: exit code: 2\n------\n\
     ERROR: failed to solve: process \"/bin/sh -c make\" did not complete successfully: exit code: 2\n",
    &["RUN make -C /src"]
)]
#[case::docker_that_was_cut(
    "#1 [internal] load build definition from Dockerfile\n#7 [4/4] RUN make -C /src\n#7 0.310 bad.c:4:20: error: x\n\
     #7 ERROR: process \"/bin/sh -c make\" did not complete successfully: exit code: 2\n",
    &["RUN make -C /src"]
)]
#[case::docker_of_before("Step 2/3 : RUN false\n ---> Running in 0d4b0d9e3c5a\nThe command '/bin/sh -c false' returned a non-zero code: 1\n", &["RUN false"])]
#[case::pip("Collecting nothing-x\nERROR: Could not find a version that satisfies the requirement nothing-x\nERROR: No matching distribution found for nothing-x\n", &["nothing-x"])]
#[case::pip_wheel("Collecting a\nERROR: Failed to build installable wheels for some pyproject.toml based projects (a, b)\n", &["a", "b"])]
#[case::uv("Resolved 3 packages in 2.56s\n  × Failed to build `docopt==0.6.2`\n", &["docopt"])]
#[case::apt("Reading package lists...\nE: Unable to locate package nothing\n", &["nothing"])]
#[case::dpkg("Setting up hello (2.10-3) ...\ndpkg: error processing package hello (--configure):\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n", &["hello 2.10-3"])]
#[case::pacman("error: target not found: nothing\n", &["nothing"])]
#[case::pacman_conflict("Packages (2) a-1 b-1\nerror: failed to commit transaction (conflicting files)\nErrors occurred, no packages were upgraded.\n", &[])]
#[case::a_spec_that_no_package_fits("==> Error: failed to concretize `lab-a@9.9` for the following reasons:\n     1. Cannot satisfy 'lab-a@9.9'\n", &[])]
#[case::dnf("Last metadata expiration check: 0:10:00 ago on Sun.\nError: Unable to find a match: nothing\n", &["nothing"])]
fn the_last_line_of_a_tool_says_that_it_failed(#[case] log: &str, #[case] failed: &[&str]) {
    let tree = tree_of(log);
    let failed: Vec<_> = failed.iter().map(ToString::to_string).collect();
    assert_eq!(summary(&tree), ("failed", failed), "{log}");
    assert!(tree.noted().0 > 0, "its line is an error, too");
}

/// Lines that look like a last one, of builds that go on.
#[rstest]
#[case::ignored("[ 12%] x\nmake[1]: [Makefile:3: clean] Error 1 (ignored)\n")]
#[case::a_make_below("[ 12%] x\nmake[1]: *** [Makefile:3: a] Error 1\n")]
#[case::deleting("[ 12%] x\nmake: *** Deleting file 'a.o'\n")]
#[case::a_cache("#5 [2/4] RUN x\n#6 importing cache manifest from x\n#6 ERROR: not found\n")]
#[case::a_mirror("Packages (2) a-1 b-1\nerror: failed retrieving file 'core.db' from mirror : timeout\n")]
#[case::a_subproject(
    "The Meson build system\nsubprojects/x/meson.build:1:0: ERROR: no\n\nSubproject x is buildable: NO (disabling)\n"
)]
#[case::another_e("[ 12%] x\nE: nobody knows whose\n")]
fn what_is_not_the_end_is_none(#[case] log: &str) {
    assert_eq!(summary(&tree_of(log)).0, "running", "{log}");
}

#[rstest]
#[case::update("apt-update", "done")]
#[case::install("apt-install", "done")]
#[case::docker("docker-classic", "done")]
#[case::docker_that_fails("docker-buildkit", "failed")]
fn a_whole_log_is_not_running(#[case] name: &str, #[case] phase: &str) {
    let tree = tree(
        &events(&bytes(&format!("progress/{name}.log"))),
        &Times::default(),
    );
    assert_eq!(tree.phase(), phase);
}

#[rstest]
#[case::nothing_new(
    "Hit:1 http://h/debian bookworm InRelease\nReading package lists...\n",
    "done"
)]
#[case::on_a_terminal(
    "Hit:1 http://h/debian bookworm InRelease\nReading package lists... 0%\rReading package lists... Done\n",
    "done"
)]
#[case::other_files(
    "Get:1 http://h/ubuntu noble/main amd64 c-n-f Metadata [8328 B]\nGet:2 http://h/ubuntu noble/main amd64 Components [212 B]\nReading package lists...\n",
    "done"
)]
#[case::a_source_that_is_gone(
    "Err:1 http://h/debian bookworm InRelease\nReading package lists...\n",
    "running"
)]
#[case::an_install_after_it(
    "Hit:1 http://h/debian bookworm InRelease\nReading package lists...\nReading package lists...\n0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.\n",
    "running"
)]
fn reading_what_was_fetched_ends_an_update(#[case] log: &str, #[case] phase: &str) {
    let tree = tree_of(log);
    assert_eq!((tree.phase(), tree.packages().len()), (phase, 0), "{log}");
}

#[test]
fn whoever_works_after_a_failure_runs() {
    let failed = "[1/9] x\nFAILED: a.o \nninja: build stopped: subcommand failed.\n";
    assert_eq!(summary(&tree_of(failed)), ("failed", vec!["a.o".into()]));
    let again = tree_of(&format!("{failed}[1/5] y\n"));
    assert_eq!(summary(&again), ("running", vec![]));
    let done = tree_of(&format!("{failed}ninja: no work to do.\n"));
    assert_eq!(summary(&done).0, "done");
    let next = tree_of("Installing collected packages: six\nSuccessfully installed six-1.17.0\n[1/5] y\n");
    assert_eq!(summary(&next).0, "running", "what comes after pip");
    let stopped = tree_of("[1/9] x\nninja: build stopped: interrupted by user.\n");
    assert_eq!(summary(&stopped).0, "interrupted");
}

/// A package that Spack builds fails when Spack says so: it may be tried again.
#[test]
fn a_build_tool_inside_a_package_does_not_end_the_build() {
    let hash = "ttzpb4xm6vxalkclyjyxzylgovt7zydp";
    let tree = tree_of(&format!(
        "==> Installing lab-a-1.0-{hash} [1/2]\n==> lab-a: Executing phase: 'build'\n[12/48] Building C object x.o\n\
         FAILED: x.o \nx.c:1:1: error: y\nninja: build stopped: subcommand failed.\n"
    ));
    assert_eq!(summary(&tree), ("running", vec![]));
    assert_eq!(tree.noted().0, 3);
    assert_eq!(tree.packages()[0].errors.len(), 3, "they are the package's");
}

#[test]
fn it_makes_no_difference_where_the_bytes_are_cut() {
    let log = bytes("progress/make-fail.log");
    let mut reader = Reader::new();
    let mut tree = Tree::new();
    for (at, piece) in log.chunks(7).enumerate() {
        for event in reader.feed(piece, at as u64 * 7) {
            tree.apply(&event, None);
        }
    }
    assert_eq!(summary(&tree).0, "failed");
}
