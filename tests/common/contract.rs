//! What every backend must do. Each function is one promise, and runs on the fake and on real daemons.

use std::{collections::BTreeMap, time::Duration};

use halolab::backend::{
    Backend, ConfigEdit, Error, ExecSpec, InstanceSpec, Power, Profile, Progress, Status, TtyInput,
};
use tokio::{sync::mpsc, time::timeout};

/// How long anything in here may take on a loaded machine.
const LONG: Duration = Duration::from_secs(60);

/// An instance of the small image.
fn spec(name: &str, image: &str) -> InstanceSpec {
    InstanceSpec {
        name: name.into(),
        image: image.into(),
        config: pairs(&[("user.halolab.stage", "test")]),
        description: "made by a test".into(),
        ..InstanceSpec::default()
    }
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

fn silent() -> Progress {
    Progress::default()
}

fn shell(script: &str) -> ExecSpec {
    ExecSpec {
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        ..ExecSpec::default()
    }
}

/// Exit code and standard output of a script.
async fn run(backend: &dyn Backend, name: &str, script: &str) -> (i32, String) {
    let mut said = vec![];
    let mut take = |fd: u8, bytes: &[u8]| {
        if fd == 1 {
            said.extend_from_slice(bytes);
        }
    };
    let ended = timeout(LONG, backend.exec(name, &shell(script), &mut take, &silent())).await;
    let code = ended.expect("ends").expect("runs");
    (code, String::from_utf8(said).unwrap())
}

async fn made(backend: &dyn Backend, name: &str, image: &str) {
    backend.create(&spec(name, image), &silent()).await.unwrap();
}

async fn started(backend: &dyn Backend, name: &str, image: &str) {
    made(backend, name, image).await;
    backend.power(name, Power::Start).await.unwrap();
}

async fn status(backend: &dyn Backend, name: &str) -> Status {
    backend.instance(name).await.unwrap().unwrap().status
}

/// An instance is made stopped, as asked for, listed, started and stopped as often as one likes, and gone after.
pub async fn life(backend: &dyn Backend, image: &str, name: &str) {
    assert_eq!(backend.instance(name).await.unwrap(), None);
    made(backend, name, image).await;
    let found = backend.instance(name).await.unwrap().unwrap();
    assert_eq!((found.status, found.name.as_str()), (Status::Stopped, name));
    assert_eq!(found.tag("stage"), Some("test"));
    assert_eq!(found.description, "made by a test");
    assert_eq!(found.profiles, ["default"]);
    assert_eq!(found.pool(), Some("default"));
    assert!(!found.uuid.is_empty() && !found.created.is_empty());
    assert_eq!(found.last_used, "", "never started");
    let listed = backend.instances().await.unwrap();
    assert!(listed.contains(&found), "a list shows the same as a look");
    for _ in 0..2 {
        backend.power(name, Power::Start).await.unwrap();
        assert_eq!(status(backend, name).await, Status::Running);
    }
    let state = backend.state(name).await.unwrap();
    assert!(state.processes > 0, "{state:?}");
    let refused = backend.delete(name).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "running: {refused}");
    for _ in 0..2 {
        backend.power(name, Power::Stop { seconds: 0 }).await.unwrap();
        assert_eq!(status(backend, name).await, Status::Stopped);
    }
    let now = backend.instance(name).await.unwrap().unwrap();
    assert_eq!(now.uuid, found.uuid, "it is still the same");
    assert!(!now.last_used.is_empty());
    backend.delete(name).await.unwrap();
    assert_eq!(backend.instance(name).await.unwrap(), None);
}

/// What is not there, or is there already, is told apart from every other no.
pub async fn missing_and_taken(backend: &dyn Backend, image: &str, name: &str) {
    let is_missing = |result: Result<(), Error>, of: &str| {
        let error = result.unwrap_err();
        assert!(
            matches!(&error, Error::Missing { what } if what.contains(of)),
            "{error:?}"
        );
    };
    let is_taken = |result: Result<(), Error>, of: &str| {
        let error = result.unwrap_err();
        assert!(
            matches!(&error, Error::Exists { what } if what.contains(of)),
            "{error:?}"
        );
    };
    let other = format!("{name}-b");
    is_missing(backend.delete(name).await, name);
    is_missing(backend.power(name, Power::Start).await, name);
    is_missing(backend.edit(name, &ConfigEdit::default()).await, name);
    is_missing(backend.rename(name, &other).await, name);
    is_missing(backend.snapshot(name, "s").await, name);
    is_missing(backend.snapshots(name).await.map(drop), name);
    is_missing(backend.state(name).await.map(drop), name);
    is_missing(backend.push(name, "/f", b"", 0o644, (0, 0)).await, name);
    is_missing(
        backend
            .exec(name, &shell("true"), &mut |_, _| {}, &silent())
            .await
            .map(drop),
        name,
    );
    is_missing(backend.copy(name, None, &spec(&other, ""), &silent()).await, name);
    let wrong_image = backend
        .create(&spec(name, "hl-test/nope"), &silent())
        .await
        .unwrap_err();
    assert!(wrong_image.to_string().contains("hl-test/nope"), "{wrong_image}");
    assert!(matches!(wrong_image, Error::Refused { .. }));

    made(backend, name, image).await;
    is_missing(backend.restore(name, "nope").await, "nope");
    is_missing(backend.delete_snapshot(name, "nope").await, "nope");
    is_missing(backend.rename_snapshot(name, "nope", "new").await, "nope");
    is_missing(
        backend
            .copy(name, Some("nope"), &spec(&other, ""), &silent())
            .await,
        "nope",
    );
    is_missing(backend.pull(name, "/nope").await.map(drop), "/nope");
    is_taken(backend.create(&spec(name, image), &silent()).await, name);
    backend.snapshot(name, "s").await.unwrap();
    backend.snapshot(name, "t").await.unwrap();
    is_taken(backend.snapshot(name, "s").await, "`s`");
    is_taken(backend.rename_snapshot(name, "s", "t").await, "`t`");
    made(backend, &other, image).await;
    is_taken(backend.rename(name, &other).await, &other);
    is_taken(
        backend.copy(name, None, &spec(&other, ""), &silent()).await,
        &other,
    );
    is_taken(backend.create_pool("default", "dir", None).await, "default");
    assert_eq!(backend.image("hl-test/nope").await.unwrap(), None);
    assert_eq!(backend.profile("hl-test-nope").await.unwrap(), None);
    is_missing(backend.delete_profile("hl-test-nope").await, "hl-test-nope");
    is_missing(backend.delete_image("hl-test/nope").await, "hl-test/nope");
}

/// Names that would be trouble are refused before the daemon sees them.
pub async fn names(backend: &dyn Backend, image: &str, name: &str) {
    made(backend, name, image).await;
    let long = "x".repeat(64);
    for bad in [
        "",
        ".",
        "..",
        "a b",
        "a/b",
        "ünï",
        "-a",
        "A",
        "a\u{1b}[31m",
        "%2e%2e",
        long.as_str(),
    ] {
        let errors = [
            backend.snapshot(name, bad).await.unwrap_err(),
            backend.create(&spec(bad, image), &silent()).await.unwrap_err(),
            backend.rename(name, bad).await.unwrap_err(),
            backend
                .copy(name, None, &spec(bad, ""), &silent())
                .await
                .unwrap_err(),
            backend
                .put_profile(&Profile {
                    name: bad.into(),
                    ..Profile::default()
                })
                .await
                .unwrap_err(),
            backend.create_pool(bad, "dir", None).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, Error::Refused { .. }), "{bad:?}: {error:?}");
            assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
        }
    }
    assert_eq!(backend.snapshots(name).await.unwrap(), []);
}

/// Config, description and profiles change as told; nothing else does.
pub async fn edit(backend: &dyn Backend, image: &str, name: &str) {
    made(backend, name, image).await;
    let before = backend.instance(name).await.unwrap().unwrap();
    let change = |config: &[(&str, Option<&str>)]| ConfigEdit {
        config: config
            .iter()
            .map(|(k, v)| ((*k).into(), v.map(str::to_owned)))
            .collect(),
        ..ConfigEdit::default()
    };
    backend
        .edit(
            name,
            &change(&[("user.halolab.a", Some("1")), ("user.halolab.b", Some("2"))]),
        )
        .await
        .unwrap();
    backend
        .edit(
            name,
            &change(&[("user.halolab.a", None), ("user.halolab.none", None)]),
        )
        .await
        .unwrap();
    let after = backend.instance(name).await.unwrap().unwrap();
    assert_eq!(
        (after.tag("a"), after.tag("b"), after.tag("stage")),
        (None, Some("2"), Some("test"))
    );
    assert_eq!(
        after.description, before.description,
        "a change of config keeps the description"
    );
    assert_eq!(
        (&after.profiles, &after.devices, &after.uuid),
        (&before.profiles, &before.devices, &before.uuid)
    );
    let edit = ConfigEdit {
        description: Some("new".into()),
        ..ConfigEdit::default()
    };
    backend.edit(name, &edit).await.unwrap();
    let after = backend.instance(name).await.unwrap().unwrap();
    assert_eq!((after.description.as_str(), after.tag("b")), ("new", Some("2")));
    // Side by side: each change arrives, none undoes another's.
    let edits = ["c", "d", "e"].map(|key| {
        change(&[(
            match key {
                "c" => "user.halolab.c",
                "d" => "user.halolab.d",
                _ => "user.halolab.e",
            },
            Some("x"),
        )])
    });
    let [c, d, e] = &edits;
    let (c, d, e) = tokio::join!(
        backend.edit(name, c),
        backend.edit(name, d),
        backend.edit(name, e)
    );
    for done in [c, d, e] {
        done.unwrap();
    }
    let after = backend.instance(name).await.unwrap().unwrap();
    assert_eq!(
        (after.tag("c"), after.tag("d"), after.tag("e")),
        (Some("x"), Some("x"), Some("x"))
    );
}

/// Snapshots hold what was there; a restore brings it back and drops what came after, but no later snapshot.
pub async fn snapshots(backend: &dyn Backend, image: &str, name: &str) {
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
    let mut all = backend.snapshot_names().await.unwrap().remove(name).unwrap();
    all.sort();
    assert_eq!(all, ["a2", "s1"]);

    let before = backend.instance(name).await.unwrap().unwrap();
    backend.restore(name, "s1").await.unwrap();
    assert_eq!(backend.pull(name, "/root/f").await.unwrap(), b"one");
    let after = backend.instance(name).await.unwrap().unwrap();
    assert_eq!((after.tag("late"), after.tag("stage")), (None, Some("test")));
    assert_eq!((after.uuid, after.profiles), (before.uuid, before.profiles));
    assert_eq!(
        backend.snapshots(name).await.unwrap().len(),
        2,
        "later snapshots stay"
    );
    backend.restore(name, "a2").await.unwrap();
    assert_eq!(backend.pull(name, "/root/f").await.unwrap(), b"two");

    backend.rename_snapshot(name, "s1", "s0").await.unwrap();
    backend.delete_snapshot(name, "a2").await.unwrap();
    let listed = backend.snapshots(name).await.unwrap();
    assert_eq!(listed.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["s0"]);
    backend.delete_snapshot(name, "s0").await.unwrap();
    assert_eq!(backend.snapshot_names().await.unwrap().get(name), None);
}

/// A copy has the source's content, snapshots, config, profiles and devices, and an identity of its own.
pub async fn copies(backend: &dyn Backend, image: &str, name: &str) {
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
    backend.restore(&whole, "s1").await.unwrap();
    assert_eq!(backend.pull(&whole, "/root/f").await.unwrap(), b"one");
    assert_eq!(
        backend.pull(name, "/root/f").await.unwrap(),
        b"two",
        "the source is left alone"
    );

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
pub async fn commands(backend: &dyn Backend, image: &str, name: &str) {
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
pub async fn cancelled_command(backend: &dyn Backend, image: &str, name: &str) {
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
pub async fn files(backend: &dyn Backend, image: &str, name: &str) {
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
pub async fn terminal(backend: &dyn Backend, image: &str, name: &str) {
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

/// A profile is made, replaced as a whole, seen in its instances, and kept while it is in use.
pub async fn profiles(backend: &dyn Backend, image: &str, name: &str) {
    let mut profile = Profile {
        name: name.into(),
        description: "of a test".into(),
        config: pairs(&[("user.halolab.p", "1"), ("user.halolab.q", "1")]),
        ..Profile::default()
    };
    backend.put_profile(&profile).await.unwrap();
    assert_eq!(backend.profile(name).await.unwrap(), Some(profile.clone()));
    backend.put_profile(&profile).await.unwrap();
    profile.config = pairs(&[("user.halolab.p", "2")]);
    backend.put_profile(&profile).await.unwrap();
    assert_eq!(backend.profile(name).await.unwrap(), Some(profile));
    let lab = format!("{name}-lab");
    let wanted = InstanceSpec {
        profiles: vec!["default".into(), name.into()],
        ..spec(&lab, image)
    };
    backend.create(&wanted, &silent()).await.unwrap();
    let found = backend.instance(&lab).await.unwrap().unwrap();
    assert_eq!(found.profiles, ["default", name]);
    assert_eq!(
        found.expanded_config.get("user.halolab.p").map(String::as_str),
        Some("2")
    );
    assert_eq!(found.tag("p"), None, "it is not the instance's own");
    backend.delete_profile(name).await.expect_err("it is in use");
    backend.delete(&lab).await.unwrap();
    backend.delete_profile(name).await.unwrap();
    assert_eq!(backend.profile(name).await.unwrap(), None);
}

/// Pools and bridges are listed with what the planner needs of them.
pub async fn environment(backend: &dyn Backend, _image: &str, _name: &str) {
    let server = backend.server().await.unwrap();
    assert!(server.trusted && !server.version.is_empty());
    assert!(
        server.storage_drivers.contains(&"dir".into()),
        "{:?}",
        server.storage_drivers
    );
    let pools = backend.pools().await.unwrap();
    let pool = pools.iter().find(|p| p.name == "default").unwrap();
    assert_eq!((pool.driver.as_str(), pool.status.as_str()), ("btrfs", "Created"));
    assert!(pool.total > 1 << 30 && pool.used < pool.total);
    let networks = backend.networks().await.unwrap();
    assert!(
        networks
            .iter()
            .any(|n| n.managed && n.kind == "bridge" && n.ipv4.contains('/')),
        "{networks:?}"
    );
}

/// A change is heard of without asking for it; the ear goes with its owner.
pub async fn events(backend: &dyn Backend, image: &str, name: &str) {
    let mut changes = backend.watch().await.unwrap();
    made(backend, name, image).await;
    timeout(LONG, changes.recv())
        .await
        .expect("hears")
        .expect("is open");
    drop(changes);
    backend.delete(name).await.unwrap();
}

/// An image file gets an alias; importing it again, or another one under the alias, moves the alias.
pub async fn images(backend: &dyn Backend, image: &str, name: &str) {
    let _ = image;
    let folder = tempfile::tempdir().unwrap();
    let file = |n: &str| {
        let path = folder.path().join(format!("{n}.tar.gz"));
        let root = folder.path().join(format!("{name}-{n}"));
        std::fs::create_dir_all(root.join("rootfs/etc")).unwrap();
        let metadata = format!(
            "architecture: x86_64\ncreation_date: 1700000000\nproperties: {{description: {name} {n}}}\n"
        );
        std::fs::write(root.join("metadata.yaml"), metadata).unwrap();
        std::fs::write(root.join("rootfs/etc/blob"), name.repeat(2000)).unwrap();
        let packed = tar(&root, &path);
        assert!(packed, "tar packs {}", path.display());
        path
    };
    let (one, two) = (file("one"), file("two"));
    let (sink, mut heard) = mpsc::unbounded_channel();
    let progress = Progress {
        sink: Some(sink),
        ..Progress::default()
    };
    backend.import_image(&one, name, &progress).await.unwrap();
    drop(progress);
    let mut last = None;
    while let Some((_, percent)) = heard.recv().await {
        last = percent.or(last);
    }
    assert_eq!(last, Some(100), "the upload is told to its end");
    let first = backend.image(name).await.unwrap().unwrap();
    assert_eq!(first.fingerprint.len(), 64);
    assert_eq!(
        backend.image(&first.fingerprint).await.unwrap().as_ref(),
        Some(&first)
    );
    backend.import_image(&one, name, &silent()).await.unwrap();
    assert_eq!(
        backend.image(name).await.unwrap().unwrap().fingerprint,
        first.fingerprint
    );
    backend.import_image(&two, name, &silent()).await.unwrap();
    let second = backend.image(name).await.unwrap().unwrap();
    assert_ne!(second.fingerprint, first.fingerprint);
    backend.delete_image(name).await.unwrap();
    assert_eq!(backend.image(name).await.unwrap(), None);
    assert_eq!(backend.image(&second.fingerprint).await.unwrap(), None);
    backend.delete_image(&first.fingerprint).await.unwrap();
    let gone = folder.path().join("gone.tar.gz");
    let error = backend.import_image(&gone, name, &silent()).await.unwrap_err();
    assert!(
        matches!(&error, Error::File { path, .. } if path.contains("gone.tar.gz")),
        "{error}"
    );
}

/// Packs a folder with the system's tar.
#[expect(clippy::disallowed_methods, reason = "a test may wait for a child")]
fn tar(folder: &std::path::Path, into: &std::path::Path) -> bool {
    let mut tar = std::process::Command::new("tar");
    tar.arg("-C")
        .arg(folder)
        .arg("-czf")
        .arg(into)
        .args(["metadata.yaml", "rootfs"]);
    tar.status().is_ok_and(|status| status.success())
}
