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
    for name in ["sh", "sed", "sort", "head", "dirname", "id"] {
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
