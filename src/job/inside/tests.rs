use super::*;
use crate::backend::{InstanceSpec, Power, fake::Fake};

/// An engine that never says how a command ended, and a lab on it.
async fn mute() -> Fake {
    let fake = Fake::new().with_image("lab/bb");
    let spec = InstanceSpec {
        name: "lab".into(),
        image: "lab/bb".into(),
        ..InstanceSpec::default()
    };
    fake.create(&spec, &backend::Progress::default()).await.unwrap();
    fake.power("lab", Power::Start).await.unwrap();
    fake.set_pause(Duration::from_hours(1));
    fake
}

#[tokio::test]
async fn a_begin_whose_end_is_never_told_is_an_error_after_its_time() {
    let (fake, id) = (mute().await, JobId::new("x").unwrap());
    let inside = Inside {
        id: &id,
        backend: &fake,
        instance: "lab",
    };
    let command = Command {
        argv: vec!["true".into()],
        cwd: "/".into(),
        ..Command::default()
    };
    let short = Duration::from_millis(50);
    let begun = inside.start_within(short, (1, "{}"), &command).await;
    let error = begun.unwrap_err();
    assert!(
        matches!(&error, Error::Backend(backend::Error::Timeout { what, after, .. }) if what.contains(id.as_str()) && *after == short),
        "{error}"
    );
    // It was asked for: whether it began is looked at, and its command lies there until then.
    let files = fake.machine("lab").unwrap().files;
    assert!(files.contains_key(&format!("{FOLDER}/{id}/spec")));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a shell says what it takes")]
fn a_command_is_one_that_a_shell_takes_whole() {
    let id = JobId::new("x").unwrap();
    let hostile = "it's $(id) `id` \"\\ \n;&|";
    let command = Command {
        argv: vec!["echo".into(), hostile.into()],
        env: [("A_1".to_owned(), hostile.to_owned())].into(),
        cwd: "/a b".into(),
        script: None,
    };
    let text =
        spec(&id, &command).unwrap() + "ru_exports\nprintf '%s|%s|%s|%s' \"$ru_cwd\" \"$A_1\" \"$1\" \"$2\"";
    let ran = std::process::Command::new("/bin/sh")
        .args(["-c", &text])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(ran.stdout).unwrap(),
        format!("/a b|{hostile}|echo|{hostile}")
    );
    let bad = |name: &str, value: &str| Command {
        env: [(name.to_owned(), value.to_owned())].into(),
        ..command.clone()
    };
    assert!(matches!(spec(&id, &bad("A;id", "")), Err(Error::Variable(_))));
    assert!(matches!(spec(&id, &bad("1A", "")), Err(Error::Variable(_))));
    assert!(matches!(spec(&id, &bad("A", "\0")), Err(Error::Zero(_))));
}
