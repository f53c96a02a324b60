//! What every backend must do. Each function is one promise, and runs on the fake and on real daemons.

mod content;
mod images;

pub(crate) use content::*;
pub(crate) use images::*;

use std::{collections::BTreeMap, time::Duration};

use halolab::backend::{
    Backend, ConfigEdit, Error, ExecSpec, InstanceSpec, Power, Profile, Progress, Status, TtyInput,
};
use tokio::{sync::mpsc, time::timeout};

/// How long anything in here may take on a loaded machine.
const LONG: Duration = Duration::from_mins(1);

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
pub(crate) async fn life(backend: &dyn Backend, image: &str, name: &str) {
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

/// What is not there.
#[track_caller]
fn is_missing(result: Result<(), Error>, of: &str) {
    let error = result.unwrap_err();
    assert!(
        matches!(&error, Error::Missing { what } if what.contains(of)),
        "{error:?}"
    );
}

/// What is there already.
#[track_caller]
fn is_taken(result: Result<(), Error>, of: &str) {
    let error = result.unwrap_err();
    assert!(
        matches!(&error, Error::Exists { what } if what.contains(of)),
        "{error:?}"
    );
}

/// What is not there is told apart from every other no.
pub(crate) async fn missing(backend: &dyn Backend, image: &str, name: &str) {
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
    is_missing(backend.restore(name, "nope", "").await, "nope");
    is_missing(backend.delete_snapshot(name, "nope").await, "nope");
    is_missing(backend.rename_snapshot(name, "nope", "new").await, "nope");
    is_missing(
        backend
            .copy(name, Some("nope"), &spec(&other, ""), &silent())
            .await,
        "nope",
    );
    is_missing(backend.pull(name, "/nope").await.map(drop), "/nope");
    assert_eq!(backend.image("hl-test/nope").await.unwrap(), None);
    assert_eq!(backend.profile("hl-test-nope").await.unwrap(), None);
    is_missing(backend.delete_profile("hl-test-nope").await, "hl-test-nope");
    is_missing(backend.delete_image("hl-test/nope").await, "hl-test/nope");
}

/// What is there already is told apart from every other no.
pub(crate) async fn taken(backend: &dyn Backend, image: &str, name: &str) {
    let other = format!("{name}-b");
    made(backend, name, image).await;
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
}

/// Names that would be trouble are refused before the daemon sees them.
pub(crate) async fn names(backend: &dyn Backend, image: &str, name: &str) {
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
pub(crate) async fn edit(backend: &dyn Backend, image: &str, name: &str) {
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
}

/// Changes that meet each arrive, and none undoes another's.
pub(crate) async fn edits_side_by_side(backend: &dyn Backend, image: &str, name: &str) {
    made(backend, name, image).await;
    let key = |key: &str| ConfigEdit {
        config: [(format!("user.halolab.{key}"), Some("x".to_owned()))].into(),
        ..ConfigEdit::default()
    };
    let (c, d, e) = (key("c"), key("d"), key("e"));
    let (c, d, e) = tokio::join!(
        backend.edit(name, &c),
        backend.edit(name, &d),
        backend.edit(name, &e)
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

/// A profile is made, replaced as a whole, seen in its instances, and kept while it is in use.
pub(crate) async fn profiles(backend: &dyn Backend, image: &str, name: &str) {
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
pub(crate) async fn environment(backend: &dyn Backend, _image: &str, name: &str) {
    let server = backend.server().await.unwrap();
    assert!(server.trusted && !server.version.is_empty());
    let docker = matches!(server.product.as_str(), "docker" | "podman");
    let (drivers, driver) = if docker {
        // One storage, whose driver is the engine's.
        (server.storage_drivers.clone(), server.storage_drivers[0].clone())
    } else {
        (vec!["dir".to_owned()], "btrfs".to_owned())
    };
    assert!(!drivers.is_empty());
    for driver in &drivers {
        assert!(
            server.storage_drivers.contains(driver),
            "{:?}",
            server.storage_drivers
        );
    }
    let pools = backend.pools().await.unwrap();
    let pool = pools.iter().find(|p| p.name == "default").unwrap();
    assert_eq!((&pool.driver, pool.status.as_str()), (&driver, "Created"));
    assert!(pool.total > 1 << 30 && pool.used < pool.total);
    if docker {
        backend.create_network(name).await.unwrap();
        is_taken(backend.create_network(name).await, name);
    }
    let networks = backend.networks().await.unwrap();
    assert!(
        networks
            .iter()
            .any(|n| n.managed && n.kind == "bridge" && n.ipv4.contains('/')),
        "{networks:?}"
    );
    if docker {
        backend.delete_network(name).await.unwrap();
        is_missing(backend.delete_network(name).await, name);
    }
}

/// A change is heard of without asking for it; the ear goes with its owner.
pub(crate) async fn events(backend: &dyn Backend, image: &str, name: &str) {
    let mut changes = backend.watch().await.unwrap();
    made(backend, name, image).await;
    timeout(LONG, changes.recv())
        .await
        .expect("hears")
        .expect("is open");
    drop(changes);
    backend.delete(name).await.unwrap();
}
