//! Names from outside become files: whatever they are, they stay in their folder.

#![expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "we write it small"
)]

use std::{ffi::OsStr, path::Path};

use halolab::{
    job::JobId,
    run::{
        Lock, journal,
        lock::{Daemon, Scope},
        log_file,
    },
    stage::load,
};
use proptest::prelude::*;

/// Names that somebody may want to get through, and any others.
fn hostile() -> impl Strategy<Value = String> {
    let bad = vec![
        "..",
        ".",
        "",
        "/",
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a\nb",
        "a\0b",
        "\u{1b}]0;x\u{7}",
        "\u{202e}",
        "..\\x",
        "%2e%2e%2f",
        "-rf",
        "$(id)",
        "a b",
        "\u{1b}[2J",
    ];
    prop_oneof![
        prop::sample::select(bad).prop_map(str::to_owned),
        "[./\\\\a-c\u{0}-\u{1f}]{0,12}",
        "\\PC{0,40}",
    ]
}

proptest! {
    #[test]
    fn a_log_of_a_lab_is_in_the_folder_of_its_run(lab in hostile()) {
        let file = log_file(Path::new("/state/runs"), "20261122-101112345-ab12", &lab);
        prop_assert_eq!(file.parent(), Some(Path::new("/state/runs/20261122-101112345-ab12")));
        let name = file.file_name().and_then(OsStr::to_str).unwrap();
        prop_assert!(name.ends_with(".log"), "{}", name);
        prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{}", name);
    }

    #[test]
    fn an_id_of_a_job_is_a_plain_name(text in hostile()) {
        if let Some(id) = JobId::parse(&text) {
            let file = Path::new("/jobs").join(id.as_str());
            prop_assert_eq!(file.parent(), Some(Path::new("/jobs")));
            prop_assert!(!text.starts_with('-') && !text.chars().any(char::is_control));
        }
        if let Ok(id) = JobId::new(&text) {
            prop_assert_eq!(JobId::parse(id.as_str()), Some(id));
        }
        let step = JobId::of_step(&text, &text);
        prop_assert_eq!(JobId::parse(step.as_str()), Some(step));
    }

    #[test]
    fn a_lock_is_beside_the_others(lab in hostile(), daemon in hostile()) {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("run/lock");
        let daemon = Daemon::at(daemon);
        daemon.answered(&format!("../../identity{}", std::process::id()));
        let held = Lock::take_for(&lock, &Scope::labs(&daemon, [lab]), "x\u{1b}[2J\n../y");
        prop_assert!(held.is_ok(), "{:?}", held);
        let made = std::fs::read_dir(folder.path().join("run/lock.d")).unwrap().count();
        prop_assert_eq!(made, 2);
        let beside: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        prop_assert_eq!(beside, ["run"]);
    }

    #[test]
    fn a_stage_of_a_hostile_name_is_refused(name in hostile()) {
        let text = format!("version = 1\nid = {}\ntitle = \"t\"\nsummary = \"s\"\nbackend = \"lxd\"\n", toml::Value::String(name.clone()));
        if let Err(error) = load::parse("a.toml", &text, std::collections::BTreeMap::new()) {
            prop_assert!(!error.to_string().chars().any(|c| c.is_control() && c != '\n'), "{:?}", error.to_string());
        }
        let named = |id: &str| load::parse("a.toml", &text, std::collections::BTreeMap::new())
            .unwrap_err().problems.iter().any(|p| p.message.contains("small letters") && !id.is_empty());
        if name.contains(['/', '.', '\n', '\u{1b}']) {
            prop_assert!(named(&name), "{:?}", name);
        }
    }

    #[test]
    /// What a crash left of a line, be it the first, takes nothing of what the next attempt writes along.
    fn a_journal_of_any_bytes_keeps_what_is_added(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal.jsonl");
        std::fs::write(&file, &bytes).unwrap();
        let before = journal::read(&file).unwrap();
        let mut opened = journal::Journal::open(folder.path()).unwrap();
        opened.write(halolab::run::Entry::Closed { code: 0 }).unwrap();
        let after = journal::read(&file).unwrap();
        prop_assert_eq!(&after[..before.len()], &before[..]);
        prop_assert_eq!(after.last(), Some(&halolab::run::Entry::Closed { code: 0 }));
        prop_assert_eq!(after.len(), before.len() + 1);
    }
}
