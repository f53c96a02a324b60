//! What LXD and Incus do that one would not expect, on real daemons, and that the client copes with it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and may wait for a child"
)]

mod common {
    pub(super) mod daemon;
    pub(super) mod daemons;
    pub(super) mod inside;
}

use std::{
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::Command,
    time::{Duration, Instant},
};

use common::{
    daemon::{IMAGE, clean, unique},
    daemons::daemons,
    inside::{command, run, started},
};
use halolab::backend::{Backend as _, Error, InstanceSpec, Power, Progress, Status, lxd::Lxd};
use serde_json::Value;

/// A program that does not hear the polite order is stopped by force after its time.
#[tokio::test]
async fn a_deaf_instance_stops_all_the_same() {
    for (daemon, _) in daemons().await {
        let name = unique("deaf");
        clean(&daemon, &name, async {
            started(&daemon, &name).await;
            // Whatever the order is, process 1 does not get to hear it.
            run(
                &daemon,
                &name,
                &command(&[
                    "sh",
                    "-c",
                    "kill -STOP 1; mount -o bind /bin/false /sbin/poweroff; true",
                ]),
            )
            .await;
            let began = Instant::now();
            daemon.power(&name, Power::Stop { seconds: 2 }).await.unwrap();
            assert_eq!(
                daemon.instance(&name).await.unwrap().unwrap().status,
                Status::Stopped
            );
            assert!(began.elapsed() < Duration::from_mins(2));
        })
        .await;
    }
}

/// Surprise 6: more than the 10 MiB that a form would swallow arrives whole, with mode and owner.
#[tokio::test]
async fn a_large_file_arrives_whole() {
    for (daemon, _) in daemons().await {
        let name = unique("large");
        clean(&daemon, &name, async {
            started(&daemon, &name).await;
            let big: Vec<u8> = (0..23_000_000_u32)
                .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
                .collect();
            daemon
                .push(&name, "/srv/a/big", &big, 0o640, (1000, 1001))
                .await
                .unwrap();
            let (_, out, _) = run(
                &daemon,
                &name,
                &command(&["stat", "-c", "%s %a %u %g", "/srv/a/big"]),
            )
            .await;
            assert_eq!(out.trim(), "23000000 640 1000 1001");
            assert!(daemon.pull(&name, "/srv/a/big").await.unwrap() == big);
            // A link is read as what it leads to.
            run(
                &daemon,
                &name,
                &command(&[
                    "sh",
                    "-c",
                    "ln -s a/big /srv/link; ln -s /srv/link /srv/a/up; ln -s x /srv/x",
                ]),
            )
            .await;
            assert_eq!(daemon.pull(&name, "/srv/a/up").await.unwrap().len(), big.len());
            assert!(daemon.pull(&name, "/srv/x").await.is_err());
            let error = daemon.pull(&name, "/srv").await.unwrap_err();
            assert!(error.to_string().contains("folder"), "{error}");
        })
        .await;
    }
}

/// Surprise 7: with its hash a cut upload is refused by the daemon; this is why we always send it.
#[tokio::test]
async fn a_cut_upload_is_refused_by_its_hash() {
    for (_, socket) in daemons().await {
        let http = reqwest::Client::builder()
            .unix_socket(&*socket)
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        let hash = "0".repeat(64);
        let upload = http
            .post("http://lxd/1.0/images")
            .header("Content-Type", "application/octet-stream")
            .header("X-LXD-fingerprint", &hash)
            .header("X-Incus-fingerprint", &hash)
            .body(vec![0; 1000]);
        let started: Value = upload.send().await.unwrap().json().await.unwrap();
        let told = if started["type"] == "async" {
            let id = started["metadata"]["id"].as_str().unwrap();
            let wait = http.get(format!("http://lxd/1.0/operations/{id}/wait"));
            wait.send().await.unwrap().text().await.unwrap()
        } else {
            started.to_string()
        };
        assert!(told.contains("ingerprints don't match"), "{told}");
    }
}

/// Types the command that an error names.
fn repair(command: &str, lxd_dir: &std::path::Path) {
    let command = command.replace("sudo ", "");
    let ended = Command::new("sh")
        .args(["-c", &command])
        .env("LXD_DIR", lxd_dir)
        .status();
    assert!(ended.unwrap().success(), "{command}");
}

/// Surprise 8: a record without a volume is recognised, and the repair that is named works.
#[tokio::test]
async fn a_wreck_is_recognised_and_can_be_removed() {
    for (daemon, socket) in daemons().await {
        let pool = socket.parent().unwrap().join("storage-pools/default/containers");
        if !pool.is_dir() {
            // Incus of the tests lives in a mount namespace of its own: its volumes are out of reach.
            assert_eq!(
                daemon.server().await.unwrap().product,
                "incus",
                "{}",
                pool.display()
            );
            continue;
        }
        let name = unique("wreck");
        clean(&daemon, &name, async {
            let spec = InstanceSpec {
                name: name.clone(),
                image: IMAGE.into(),
                ..InstanceSpec::default()
            };
            daemon.create(&spec, &Progress::default()).await.unwrap();
            // Not the same one: the daemon would go on to show the files that it has open.
            let whole = format!("{name}-whole");
            let other = InstanceSpec {
                name: whole.clone(),
                ..spec
            };
            daemon.create(&other, &Progress::default()).await.unwrap();
            assert!(!daemon.is_wreck(&whole).await.unwrap());
            // What a daemon that was killed in the unpacking leaves: a plain, empty folder.
            let volume = pool.join(&name);
            assert!(
                Command::new("btrfs")
                    .args(["-q", "subvolume", "delete"])
                    .arg(&volume)
                    .status()
                    .unwrap()
                    .success()
            );
            std::fs::create_dir(&volume).unwrap();
            assert!(daemon.is_wreck(&name).await.unwrap());
            let mut repairs = vec![];
            for error in [
                daemon.power(&name, Power::Start).await,
                daemon.delete(&name).await,
            ] {
                match error.unwrap_err() {
                    Error::Wreck { name: of, repair } => {
                        assert_eq!(of, name);
                        repairs.push(repair);
                    }
                    other => panic!("{other}"),
                }
            }
            repair(&repairs.pop().unwrap(), socket.parent().unwrap());
            assert_eq!(daemon.instance(&name).await.unwrap(), None);
        })
        .await;
    }
}

/// Surprise 10: a pool that counts nothing says "unknown", not 0.
#[tokio::test]
async fn sizes_are_unknown_without_quotas() {
    for (daemon, _) in daemons().await {
        let name = unique("size");
        clean(&daemon, &name, async {
            started(&daemon, &name).await;
            daemon.snapshot(&name, "s").await.unwrap();
            assert_eq!(daemon.snapshots(&name).await.unwrap().remove(0).size, None);
            let state = daemon.state(&name).await.unwrap();
            assert_eq!(state.disk, None);
            assert!(state.memory > 0, "{state:?}");
        })
        .await;
    }
}

/// A failure in an operation, as the real daemon words it.
#[tokio::test]
async fn a_real_failure_names_its_reason() {
    for (daemon, _) in daemons().await {
        let name = unique("fails");
        clean(&daemon, &name, async {
            let root = [("type", "disk"), ("path", "/"), ("pool", "hl-test-nowhere")];
            let root = root.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
            let spec = InstanceSpec {
                name: name.clone(),
                image: IMAGE.into(),
                devices: [("root".into(), root)].into(),
                ..InstanceSpec::default()
            };
            let error = daemon.create(&spec, &Progress::default()).await.unwrap_err();
            assert!(matches!(error, Error::Refused { .. }), "{error:?}");
            assert!(error.to_string().contains("torage pool not found"), "{error}");
            assert_eq!(daemon.instance(&name).await.unwrap(), None);
        })
        .await;
    }
}

/// A socket that this user may not use: the group to join is named.
#[tokio::test]
async fn a_forbidden_socket_names_its_group() {
    const MARK: &str = "HALOLAB_TEST_FORBIDDEN";
    if let Ok(socket) = std::env::var(MARK) {
        let error = Lxd::connect_unix(socket).await.unwrap_err();
        assert!(
            matches!(&error, Error::Permission { group, .. } if group == "daemon"),
            "{error:?}"
        );
        assert!(error.to_string().contains("usermod -aG daemon"), "{error}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open.clone()).unwrap();
    let socket = folder.path().join("unix.socket");
    let _listener = tokio::net::UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o660)).unwrap();
    std::os::unix::fs::chown(&socket, None, Some(1)).expect("only root can run this test");
    let program = folder.path().join("test");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    std::fs::set_permissions(&program, open).unwrap();
    let mut child = Command::new(program);
    child
        .args(["--exact", "a_forbidden_socket_names_its_group"])
        .env(MARK, &socket)
        .uid(65534)
        .gid(65534);
    let ended = child.current_dir("/").output().unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stdout)
    );
    assert!(String::from_utf8_lossy(&ended.stdout).contains("1 passed"));
}
