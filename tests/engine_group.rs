//! The step that adds a person to the engine's group: to the one of the engine that was chosen or answers, to no other.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and runs the script itself"
)]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use rstest::rstest;

fn program(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs one script of the host stage for a person on a machine that has both engines and both groups.
fn script(folder: &Path, name: &str, engine: Option<&str>) -> Output {
    let mut command = Command::new("sh");
    command
        .arg("-eu")
        .arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("stages/host")
                .join(name),
        )
        .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
        .env("HOST_USER", "me")
        .env("LXD_DIR", folder)
        .env("INCUS_DIR", folder)
        .env_remove("OPT_ENGINE");
    command.envs(engine.map(|e| ("OPT_ENGINE", e)));
    command.output().unwrap()
}

#[rstest]
#[case(Some("lxd"), false, "lxd")]
#[case(Some("incus"), true, "incus-admin")]
#[case(Some("auto"), true, "lxd")]
#[case(None, false, "incus-admin")]
fn only_the_group_of_the_engine_is_joined(
    #[case] chosen: Option<&str>,
    #[case] lxd_answers: bool,
    #[case] group: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let groups = folder.join("groups");
    program(folder, "getent", "exit 0");
    program(folder, "usermod", &format!("echo \"$2\" >>{}", groups.display()));
    program(folder, "id", &format!("echo me $(cat {})", groups.display()));
    program(folder, "lxd", if lxd_answers { "exit 0" } else { "exit 1" });
    program(folder, "incusd", "exit 0");
    // A member of the other engine's group is none of this one's.
    let other = if group == "lxd" { "incus-admin" } else { "lxd" };
    fs::write(&groups, format!("{other}\n")).unwrap();
    assert!(!script(folder, "group-check.sh", chosen).status.success());
    fs::write(&groups, "").unwrap();
    let ran = script(folder, "group.sh", chosen);
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(fs::read_to_string(&groups).unwrap(), format!("{group}\n"));
    assert!(script(folder, "group-check.sh", chosen).status.success());
}
