//! Promises about what is inside: snapshots, copies, commands and files.

use super::*;

/// Snapshots hold what was there; a restore brings it back and drops what came after, but no later snapshot.
pub(crate) async fn snapshots(backend: &dyn Backend, image: &str, name: &str) {
    made(backend, name, image).await;
    backend
        .push(name, "/root/f", b"one", 0o644, (0, 0))
        .await
        .unwrap();
    backend.snapshot(name, "s1").await.unwrap();
    backend
        .push(name, "/root/f", b"two", 0o644, (0, 0))
        .await
        .unwrap();
    let late = ConfigEdit {
        config: [("user.halolab.late".into(), Some("1".into()))].into(),
        ..ConfigEdit::default()
    };
    backend.edit(name, &late).await.unwrap();
    // The second one sorts before the first by name: order is by age.
    backend.snapshot(name, "a2").await.unwrap();
    let listed = backend.snapshots(name).await.unwrap();
    let names: Vec<&str> = listed.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["s1", "a2"]);
    assert_eq!((listed[0].tag("late"), listed[1].tag("late")), (None, Some("1")));
    assert_eq!(listed[0].tag("stage"), Some("test"));
    assert!(listed[0].created <= listed[1].created && !listed[0].created.is_empty());
    let mut all = backend
        .snapshot_names(&[name])
        .await
        .unwrap()
        .remove(name)
        .unwrap();
    all.sort();
    assert_eq!(all, ["a2", "s1"]);

    let before = backend.instance(name).await.unwrap().unwrap();
    backend.restore(name, "s1", "").await.unwrap();
    assert_eq!(backend.pull(name, "/root/f").await.unwrap(), b"one");
    let after = backend.instance(name).await.unwrap().unwrap();
    assert_eq!((after.tag("late"), after.tag("stage")), (None, Some("test")));
    assert_eq!((after.uuid, after.profiles), (before.uuid, before.profiles));
    assert_eq!(
        backend.snapshots(name).await.unwrap().len(),
        2,
        "later snapshots stay"
    );
    backend.restore(name, "a2", "").await.unwrap();
    assert_eq!(backend.pull(name, "/root/f").await.unwrap(), b"two");

    backend.rename_snapshot(name, "s1", "s0").await.unwrap();
    backend.delete_snapshot(name, "a2").await.unwrap();
    let listed = backend.snapshots(name).await.unwrap();
    assert_eq!(listed.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["s0"]);
    backend.delete_snapshot(name, "s0").await.unwrap();
    assert_eq!(backend.snapshot_names(&[name]).await.unwrap().get(name), None);
}

/// A copy has the source's content, snapshots, config, profiles and devices, and an identity of its own.
pub(crate) async fn copies(backend: &dyn Backend, image: &str, name: &str) {
    made(backend, name, image).await;
    backend
        .push(name, "/root/f", b"one", 0o644, (0, 0))
        .await
        .unwrap();
    backend.snapshot(name, "s1").await.unwrap();
    backend.snapshot(name, "a2").await.unwrap();
    backend
        .push(name, "/root/f", b"two", 0o644, (0, 0))
        .await
        .unwrap();
    let source = backend.instance(name).await.unwrap().unwrap();

    let whole = format!("{name}-whole");
    let wanted = InstanceSpec {
        name: whole.clone(),
        config: pairs(&[("user.halolab.copy", "1")]),
        ..InstanceSpec::default()
    };
    backend.copy(name, None, &wanted, &silent()).await.unwrap();
    let copy = backend.instance(&whole).await.unwrap().unwrap();
    assert_eq!((copy.tag("stage"), copy.tag("copy")), (Some("test"), Some("1")));
    assert_eq!(
        (&copy.profiles, &copy.description),
        (&source.profiles, &source.description)
    );
    assert_eq!(copy.pool(), source.pool());
    assert_eq!(copy.status, Status::Stopped);
    assert_ne!(copy.uuid, source.uuid);
    let snapshots = backend.snapshots(&whole).await.unwrap();
    assert_eq!(
        snapshots.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
        ["s1", "a2"]
    );
    assert_eq!(backend.pull(&whole, "/root/f").await.unwrap(), b"two");
    backend.restore(&whole, "s1", "").await.unwrap();
    assert_eq!(backend.pull(&whole, "/root/f").await.unwrap(), b"one");
    // The snapshots of a copy have the source's identity, and a restore may bring it along.
    let told = snapshots[0].config.get("volatile.uuid");
    assert_eq!(told, Some(&source.uuid));
    let restored = backend.instance(&whole).await.unwrap().unwrap();
    assert!(
        [&copy.uuid, &source.uuid].contains(&&restored.uuid),
        "{restored:?}"
    );
    assert_eq!(
        backend.pull(name, "/root/f").await.unwrap(),
        b"two",
        "the source is left alone"
    );
}

/// A copy of a snapshot has its content and no snapshots; it starts, and can be renamed.
pub(crate) async fn copies_of_snapshots(backend: &dyn Backend, image: &str, name: &str) {
    made(backend, name, image).await;
    backend
        .push(name, "/root/f", b"one", 0o644, (0, 0))
        .await
        .unwrap();
    backend.snapshot(name, "s1").await.unwrap();
    backend
        .push(name, "/root/f", b"two", 0o644, (0, 0))
        .await
        .unwrap();
    let part = format!("{name}-part");
    let wanted = InstanceSpec {
        name: part.clone(),
        description: "a copy".into(),
        ..InstanceSpec::default()
    };
    backend.copy(name, Some("s1"), &wanted, &silent()).await.unwrap();
    let copy = backend.instance(&part).await.unwrap().unwrap();
    assert_eq!(
        (copy.tag("stage"), copy.description.as_str()),
        (Some("test"), "a copy")
    );
    assert_eq!(backend.snapshots(&part).await.unwrap(), []);
    assert_eq!(backend.pull(&part, "/root/f").await.unwrap(), b"one");
    backend.power(&part, Power::Start).await.unwrap();
    backend.power(&part, Power::Stop { seconds: 0 }).await.unwrap();

    let renamed = format!("{name}-renamed");
    backend.rename(&part, &renamed).await.unwrap();
    assert_eq!(backend.instance(&part).await.unwrap(), None);
    assert_eq!(backend.pull(&renamed, "/root/f").await.unwrap(), b"one");
}

/// A command's output and exit code come back; a stopped instance is not started for it.
pub(crate) async fn commands(backend: &dyn Backend, image: &str, name: &str) {
    made(backend, name, image).await;
    let refused = backend
        .exec(name, &shell("true"), &mut |_, _| {}, &silent())
        .await
        .unwrap_err();
    assert!(matches!(&refused, Error::Refused { .. }), "stopped: {refused}");
    backend.power(name, Power::Start).await.unwrap();
    assert_eq!(
        run(backend, name, "echo one\necho two").await,
        (0, "one\ntwo\n".into())
    );
    assert_eq!(
        run(backend, name, "echo before\nfalse FAKE_FAIL").await,
        (1, "before\n".into())
    );
}

/// A command that takes long stops when it is cancelled, and says so.
pub(crate) async fn cancelled_command(backend: &dyn Backend, image: &str, name: &str) {
    started(backend, name, image).await;
    let progress = silent();
    let cancel = progress.cancel.clone();
    let command = shell("sleep 30; echo late");
    let mut ignore = |_: u8, _: &[u8]| {};
    let running = backend.exec(name, &command, &mut ignore, &progress);
    let (ended, ()) = tokio::join!(timeout(LONG, running), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        cancel.cancel();
    });
    let error = ended.expect("ends").unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error:?}");
    assert_eq!(
        run(backend, name, "echo on").await,
        (0, "on\n".into()),
        "the instance is well"
    );
}

/// Files are written and read whole, also in folders that are not there yet, also in running instances.
pub(crate) async fn files(backend: &dyn Backend, image: &str, name: &str) {
    made(backend, name, image).await;
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    for content in [&b""[..], b"small\n", &big] {
        backend
            .push(name, "/opt/new/folder/file", content, 0o640, (1000, 1000))
            .await
            .unwrap();
        assert!(
            backend.pull(name, "/opt/new/folder/file").await.unwrap() == content,
            "{} bytes",
            content.len()
        );
    }
    backend.power(name, Power::Start).await.unwrap();
    backend
        .push(name, "/root/a b+c&d=ü", b"x", 0o600, (0, 0))
        .await
        .unwrap();
    assert_eq!(backend.pull(name, "/root/a b+c&d=ü").await.unwrap(), b"x");
}

/// A terminal echoes, takes sizes and ends with its program.
pub(crate) async fn terminal(backend: &dyn Backend, image: &str, name: &str) {
    started(backend, name, image).await;
    let command = ExecSpec {
        argv: vec!["sh".into()],
        size: (80, 24),
        ..ExecSpec::default()
    };
    let (keys, input) = mpsc::channel(8);
    let (output, mut screen) = mpsc::channel::<Vec<u8>>(8);
    let typing = async {
        keys.send(TtyInput::Resize(132, 43)).await.unwrap();
        keys.send(TtyInput::Bytes(b"stty size\n".to_vec())).await.unwrap();
        let mut seen = String::new();
        while !seen.contains("43 132") {
            let bytes = timeout(LONG, screen.recv())
                .await
                .expect("answers")
                .expect("is open");
            seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        keys.send(TtyInput::Bytes(b"exit\n".to_vec())).await.unwrap();
        while screen.recv().await.is_some() {}
    };
    let running = timeout(LONG, backend.exec_tty(name, &command, input, output));
    let (code, ()) = tokio::join!(running, typing);
    assert_eq!(code.expect("ends").unwrap(), 0);
}
