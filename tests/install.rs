//! The README's first command: what it does without a terminal, a second time, and with a toolchain that is too old.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test, which looks from outside"
)]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

fn install(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh"));
    command
        .args(["--to".as_ref(), home.join("bin").as_os_str()])
        .args(arguments);
    command
        .env("HOME", home)
        .env_remove("CARGO_HOME")
        .env_remove("HALOLAB_BIN")
        .stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.code(), text)
}

fn program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn it_installs_once_and_then_names_or_runs_the_next_command() {
    let home = tempfile::tempdir().unwrap();
    let built = home.path().join("built");
    program(&built, "#!/bin/sh\necho \"halolab 9.9 $*\"\n");
    let (code, text) = run(install(home.path(), &[]).env("HALOLAB_BIN", &built));
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("halolab 9.9") && text.contains("apply ai-lab --yes"),
        "{text}"
    );
    let (code, text) = run(install(home.path(), &["--no-run", "status"]).env("HALOLAB_BIN", &built));
    assert!(
        code == Some(0) && text.contains("is up to date") && !text.contains("halolab 9.9"),
        "{text}"
    );
    let (code, text) = run(install(home.path(), &["--", "--json", "status"]).env("HALOLAB_BIN", &built));
    assert!(
        code == Some(0) && text.contains("halolab 9.9 --json status"),
        "{text}"
    );
}

#[test]
fn the_real_program_can_be_installed() {
    let home = tempfile::tempdir().unwrap();
    let (code, text) =
        run(install(home.path(), &["--", "--version"]).env("HALOLAB_BIN", env!("CARGO_BIN_EXE_halolab")));
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains(concat!("halolab ", env!("CARGO_PKG_VERSION"))),
        "{text}"
    );
}

#[test]
fn nothing_is_installed_without_an_answer() {
    let home = tempfile::tempdir().unwrap();
    let tools = home.path().join("tools");
    program(&tools.join("cargo"), "#!/bin/sh\necho 'cargo 1.63.0 (old)'\n");
    for name in ["sh", "sed", "sort", "head", "dirname", "id", "date"] {
        let real = ["/usr/bin", "/bin"]
            .iter()
            .map(|folder| Path::new(folder).join(name))
            .find(|path| path.exists());
        std::os::unix::fs::symlink(real.unwrap(), tools.join(name)).unwrap();
    }
    let (code, text) = run(install(home.path(), &[]).env("PATH", &tools));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--yes"), "{text}");
    assert!(!home.path().join("bin").exists());
}

#[test]
fn what_it_does_not_know_it_says() {
    let home = tempfile::tempdir().unwrap();
    let (code, text) = run(&mut install(home.path(), &["--fast"]));
    assert!(code == Some(2) && text.contains("--help"), "{text}");
    let (code, text) = run(install(home.path(), &[]).env("HALOLAB_BIN", "/nowhere"));
    assert!(code == Some(1) && text.contains("/nowhere"), "{text}");
}

/// A cargo that is new enough, and on a build does this.
fn with_cargo(home: &Path, build: &str) -> (Option<i32>, String) {
    let tools = home.join("tools");
    let text = format!("#!/bin/sh\n[ \"$1\" != --version ] || {{ echo 'cargo 99.0.0'; exit 0; }}\n{build}\n");
    program(&tools.join("cargo"), &text);
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut command = install(home, &["--no-run"]);
    run(command
        .env("PATH", path)
        .env("CARGO_TARGET_DIR", home.join("target")))
}

#[test]
fn a_build_says_what_it_is_at() {
    let home = tempfile::tempdir().unwrap();
    let made = home.path().join("target/release/halolab");
    program(&home.path().join("made"), "#!/bin/sh\necho halolab 9.9\n");
    let build = format!(
        "echo '   Compiling serde v1.0.0' >&2; sleep 16; mkdir -p {0}; cp {1} {2}",
        made.parent().unwrap().display(),
        home.path().join("made").display(),
        made.display()
    );
    let (code, text) = with_cargo(home.path(), &build);
    assert_eq!(code, Some(0), "{text}");
    for words in [
        "[1 of 3]",
        "[2 of 3]",
        "[3 of 3]",
        "now serde (0:1",
        "halolab 9.9 is in",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn each_failure_of_a_build_names_the_next_command() {
    for (says, words) in [
        (
            "error: failed to download from `https://crates/x`",
            "HTTPS_PROXY=",
        ),
        ("error: linker `cc` not found", "install gcc"),
        (
            "error: failed to write x: No space left on device (os error 28)",
            "CARGO_TARGET_DIR=/ELSEWHERE",
        ),
        (
            "rustc: process didn't exit successfully (signal: 9, SIGKILL: kill)",
            "CARGO_BUILD_JOBS=1",
        ),
        ("error[E0308]: mismatched types", "install.log"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let (code, text) = with_cargo(home.path(), &format!("cat >&2 <<'E'\n{says}\nE\nexit 101"));
        assert_eq!(code, Some(1), "{text}");
        let last = text.lines().last().unwrap();
        assert!(last.contains(words) && text.contains(says), "{says}: {text}");
        assert!(!home.path().join("bin").exists());
    }
}

#[test]
fn what_a_package_manager_could_not_install_is_named_in_its_own_words() {
    for (manager, names) in [
        ("pacman", "install rustup by hand"),
        ("dnf", "install curl by hand"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let tools = home.path().join("tools");
        for name in ["sh", "sed", "sort", "head", "dirname", "date"] {
            let real = ["/usr/bin", "/bin"]
                .iter()
                .map(|folder| Path::new(folder).join(name))
                .find(|path| path.exists());
            fs::create_dir_all(&tools).unwrap();
            std::os::unix::fs::symlink(real.unwrap(), tools.join(name)).unwrap();
        }
        program(&tools.join("id"), "#!/bin/sh\necho 0");
        program(&tools.join(manager), "#!/bin/sh\nexit 1");
        let (code, text) = run(install(home.path(), &["--yes"]).env("PATH", &tools));
        assert!(code == Some(1) && text.contains(names), "{manager}: {text}");
    }
}
