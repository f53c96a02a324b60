use std::{fs, path::Path, process::Command};

use super::{ALL, NOTHING, READ, named, wanted};
use crate::workspace::{Service, User};

/// The programs of a profile's file of supervisor.
fn programs(text: &str) -> Vec<String> {
    let names = text.lines().filter_map(|line| line.strip_prefix("[program:"));
    names.map(|name| name.trim_end_matches(']').to_owned()).collect()
}

#[test]
fn the_programs_are_those_of_the_image_and_each_writes_the_log_of_its_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/workspace");
    let mut seen = vec![];
    for profile in fs::read_dir(root).unwrap().flatten() {
        let folder = profile.path().join("root/etc/workspace/programs");
        for file in fs::read_dir(folder).into_iter().flatten().flatten() {
            let service = file.path().file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(file.path()).unwrap();
            let mut there = programs(&text);
            for program in &there {
                assert!(
                    text.contains(&format!("stdout_logfile=/var/log/workspace/{program}.log\n")),
                    "{program}"
                );
            }
            let parts = named(&service).unwrap_or_else(|| panic!("nothing is known of {service}"));
            let mut ours = parts.programs.to_vec();
            there.sort();
            ours.sort_unstable();
            assert_eq!(ours, there, "{service}");
            seen.push(service);
        }
    }
    assert_eq!(seen.len(), ALL.len(), "{seen:?}");
    for service in Service::ALL {
        assert!(named(service.name()).is_some(), "{}", service.name());
    }
    let user = User {
        services: vec![Service::Ssh, Service::Vnc],
        docker: true,
        ..User::default()
    };
    assert_eq!(wanted(&user), ["ssh", "vnc", "dind"]);
}

/// What the script writes of a folder, and how it ends.
#[expect(
    clippy::disallowed_methods,
    reason = "the script runs as it does inside: by a shell"
)]
fn read(folder: &Path, lines: &str, programs: &[&str]) -> (i32, Vec<u8>) {
    let ran = Command::new("sh")
        .args(["-c", READ, "sh", lines, "no"])
        .arg(folder)
        .args(programs)
        .output()
        .unwrap();
    (ran.status.code().unwrap(), ran.stdout)
}

#[test]
fn the_end_of_a_log_goes_back_into_the_one_of_before_and_bytes_stay_what_they_are() {
    let home = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(home.path().join(name), bytes).unwrap();
    assert_eq!(read(home.path(), "9", &["vnc"]), (NOTHING, vec![]));
    assert_eq!(read(&home.path().join("away"), "9", &[]).0, NOTHING);
    put("vnc.log.1", b"one\ntwo\n");
    put("vnc.log", b"three\n\x1b[2J\xff no end");
    let (code, said) = read(home.path(), "3", &["vnc", "desktop"]);
    assert_eq!(
        (code, said.as_slice()),
        (0, &b"two\nthree\n\x1b[2J\xff no end"[..])
    );
    put("desktop.log", b"up\n");
    put("jupyter.log", b"kernel\n");
    let text = |programs: &[&str]| String::from_utf8_lossy(&read(home.path(), "1", programs).1).into_owned();
    assert!(text(&["vnc", "desktop"]).ends_with("\n==> desktop.log <==\nup\n"));
    let all = text(&[]);
    for name in ["desktop", "jupyter", "vnc"] {
        assert!(all.contains(&format!("==> {name}.log <==\n")), "{all}");
    }
    assert!(!all.contains("vnc.log.1"), "{all}");
}
