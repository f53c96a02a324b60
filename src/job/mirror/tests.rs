use super::*;

fn mirror(folder: &Path) -> Mirror {
    Mirror::create(folder, &JobId::parse("cmd-1-2").unwrap(), JobFile::default()).unwrap()
}

fn line(state: &str, attempt: u32) -> Vec<u8> {
    let exit = if state == "failed" {
        r#"{"code":3}"#
    } else {
        "null"
    };
    format!(
        r#"{{"schema":"halolab.job/1","job":"cmd-1-2","state":"{state}","attempt":{attempt},"exit":{exit}}}"#
    )
    .into_bytes()
}

#[test]
fn how_an_attempt_ended_is_not_how_the_next_one_stands_whoever_writes_it_when() {
    let folder = tempfile::tempdir().unwrap();
    let mirror = mirror(folder.path());
    let mut other = mirror.writer().unwrap().unwrap();
    other.told(&line("failed", 1)).unwrap();
    mirror.set_asked_for(Some(2)).unwrap();
    // Somebody who looked before that writes now.
    assert!(
        other
            .verify(0, &hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"")))
            .unwrap()
    );
    drop(other);
    let status = mirror.status();
    assert_eq!((status.state, status.exit.is_none()), (State::Queued, true));
    assert!(!status.is_over());
    let mut writer = mirror.writer().unwrap().unwrap();
    writer.told(&line("running", 2)).unwrap();
    writer.told(&line("failed", 2)).unwrap();
    assert_eq!(
        (mirror.status().state, mirror.status().code()),
        (State::Failed, 3)
    );
}

#[test]
fn two_that_write_at_once_leave_one_of_both() {
    let folder = tempfile::tempdir().unwrap();
    let mirror = mirror(folder.path());
    // A name that both would take is taken already.
    fs::create_dir(mirror.folder().join("status.json.new")).unwrap();
    std::thread::scope(|scope| {
        for size in [10, 100_000] {
            let mirror = &mirror;
            scope.spawn(move || {
                for _ in 0..50 {
                    mirror.replace("status.json", &vec![b'x'; size]).unwrap();
                    let length = read(&mirror.folder().join("status.json")).unwrap().len();
                    assert!([10, 100_000].contains(&length), "{length}");
                }
            });
        }
    });
}

#[test]
fn a_new_job_takes_no_other_ones_folder() {
    let folder = tempfile::tempdir().unwrap();
    let id = JobId::parse("cmd-1-2").unwrap();
    Mirror::create_new(folder.path(), &id, JobFile::default()).unwrap();
    let again = Mirror::create_new(folder.path(), &id, JobFile::default());
    assert!(matches!(again, Err(Error::Taken(_))));
}

#[test]
fn a_look_at_a_job_that_ended_does_not_read_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let mirror = mirror(folder.path());
    fs::write(
        mirror.log(),
        "==> Installing lab-a-1.0-abcdefghijklmnopqrstuvwxyz234567 [1/1]\n",
    )
    .unwrap();
    let mut writer = mirror.writer().unwrap().unwrap();
    assert!(!writer.has_read(), "until somebody wants to know how far it is");
    writer.told(&line("running", 1)).unwrap();
    assert!(writer.has_read());
    writer.told(&line("failed", 1)).unwrap();
    drop(writer);
    let mut writer = mirror.writer().unwrap().unwrap();
    writer.told(&line("failed", 1)).unwrap();
    assert!(
        !writer.has_read(),
        "it had ended before, and only its log is not here yet"
    );
    writer.told(&line("running", 2)).unwrap();
    assert!(writer.has_read(), "another attempt");
    assert_eq!(writer.status().state, State::Running);
}
