//! What LXD and Incus do that one would not expect, on real daemons, and that the client copes with it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and may wait for a child"
)]

mod common {
    pub(super) mod daemon;
}

use std::{
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use common::daemon::{IMAGE, clean, unique};
use halolab::backend::{Backend, Error, ExecSpec, InstanceSpec, Power, Progress, Status, TtyInput, lxd::Lxd};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};

const LONG: Duration = Duration::from_secs(60);

/// The daemons of this run, with their sockets.
async fn daemons() -> Vec<(Lxd, PathBuf)> {
    let mut found = vec![];
    for daemon in [common::daemon::lxd().await, common::daemon::incus().await]
        .into_iter()
        .flatten()
    {
        let socket = daemon.server().await.unwrap().address.into();
        found.push((daemon, socket));
    }
    found
}

/// A running instance.
async fn started(daemon: &Lxd, name: &str) {
    let spec = InstanceSpec {
        name: name.into(),
        image: IMAGE.into(),
        ..InstanceSpec::default()
    };
    daemon.create(&spec, &Progress::default()).await.unwrap();
    daemon.power(name, Power::Start).await.unwrap();
}

fn command(argv: &[&str]) -> ExecSpec {
    ExecSpec {
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        ..ExecSpec::default()
    }
}

/// Exit code, output and errors.
async fn run(daemon: &Lxd, name: &str, spec: &ExecSpec) -> (i32, String, String) {
    let (mut out, mut err) = (vec![], vec![]);
    let mut take = |fd: u8, bytes: &[u8]| match fd {
        1 => out.extend_from_slice(bytes),
        _ => err.extend_from_slice(bytes),
    };
    let code = timeout(LONG, daemon.exec(name, spec, &mut take, &Progress::default()))
        .await
        .expect("ends")
        .unwrap();
    (
        code,
        String::from_utf8(out).unwrap(),
        String::from_utf8(err).unwrap(),
    )
}

/// A bare request, past the client.
async fn raw(socket: &Path, method: &str, path: &str, body: Value) -> Value {
    let http = reqwest::Client::builder().unix_socket(socket).build().unwrap();
    let request = http.request(method.parse().unwrap(), format!("http://lxd{path}"));
    let answer: Value = request.json(&body).send().await.unwrap().json().await.unwrap();
    let Some(id) = answer["metadata"]["id"]
        .as_str()
        .filter(|_| answer["type"] == "async")
    else {
        return answer;
    };
    http.get(format!("http://lxd/1.0/operations/{id}/wait"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

/// Output comes while the command runs, the two streams apart, whole, and with its exit code.
#[tokio::test]
async fn commands_stream() {
    for (daemon, _) in daemons().await {
        let name = unique("stream");
        clean(&daemon, &name, async {
            started(&daemon, &name).await;
            let script = "echo one; echo oops >&2; sleep 1; echo two; exit 5";
            let mut heard = vec![];
            let began = Instant::now();
            let mut take = |fd: u8, bytes: &[u8]| {
                heard.push((fd, String::from_utf8_lossy(bytes).into_owned(), began.elapsed()))
            };
            let code = daemon
                .exec(
                    &name,
                    &command(&["sh", "-c", script]),
                    &mut take,
                    &Progress::default(),
                )
                .await
                .unwrap();
            assert_eq!(code, 5);
            let on = |fd: u8| {
                heard
                    .iter()
                    .filter(|h| h.0 == fd)
                    .map(|h| h.1.as_str())
                    .collect::<String>()
            };
            assert_eq!((on(1).as_str(), on(2).as_str()), ("one\ntwo\n", "oops\n"));
            let (first, last) = (heard.first().unwrap().2, heard.last().unwrap().2);
            assert!(last - first > Duration::from_millis(700), "it streams: {heard:?}");

            let spec = command(&["sh", "-c", "seq 1 200000"]);
            let (code, out, _) = run(&daemon, &name, &spec).await;
            assert_eq!(code, 0);
            assert!(
                out.lines().map(|l| l.parse::<u32>().unwrap()).eq(1..=200_000),
                "{} bytes",
                out.len()
            );
            let spec = ExecSpec {
                env: [("GREETING".into(), "hello".into())].into(),
                cwd: "/tmp".into(),
                uid: 1000,
                ..command(&["sh", "-c", "echo $GREETING $(pwd) $(id -u) $(id -g); cat"])
            };
            assert_eq!(
                run(&daemon, &name, &spec).await,
                (0, "hello /tmp 1000 1000\n".into(), String::new())
            );
            // What a command leaves behind in the background holds it up only while it holds its output.
            let began = Instant::now();
            let spec = command(&["sh", "-c", "sleep 20 >/dev/null 2>&1 & echo up"]);
            assert_eq!(run(&daemon, &name, &spec).await.1, "up\n");
            assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
        })
        .await;
    }
}

/// Not found, not executable and killed are exit codes, as in a shell.
#[tokio::test]
async fn exit_codes_are_a_shells() {
    for (daemon, _) in daemons().await {
        let name = unique("codes");
        clean(&daemon, &name, async {
            started(&daemon, &name).await;
            let (code, _, err) = run(&daemon, &name, &command(&["no-such-program"])).await;
            assert_eq!((code, err.trim()), (127, "Command not found"));
            let (code, _, err) = run(&daemon, &name, &command(&["/etc/passwd"])).await;
            assert_eq!((code, err.trim()), (126, "Command not executable"));
            assert_eq!(
                run(&daemon, &name, &command(&["sh", "-c", "kill -9 $$"])).await.0,
                137
            );
            assert_eq!(
                run(&daemon, &name, &command(&["sh", "-c", "exit 255"])).await.0,
                255
            );
        })
        .await;
    }
}

/// Surprise 3: a terminal's operation ends only when the client closes its sockets.
#[tokio::test]
async fn a_terminal_ends_with_its_program_or_its_screen() {
    for (daemon, _) in daemons().await {
        let name = unique("tty");
        clean(&daemon, &name, async {
            started(&daemon, &name).await;
            let spec = ExecSpec {
                size: (80, 24),
                ..command(&["sh", "-c", "stty size; test -t 0; exit 7"])
            };
            let (_keys, input) = mpsc::channel(1);
            let (output, mut screen) = mpsc::channel(64);
            let began = Instant::now();
            assert_eq!(
                timeout(LONG, daemon.exec_tty(&name, &spec, input, output))
                    .await
                    .expect("ends")
                    .unwrap(),
                7
            );
            assert!(began.elapsed() < Duration::from_secs(15));
            let mut seen = vec![];
            while let Some(bytes) = screen.recv().await {
                seen.extend(bytes);
            }
            assert_eq!(String::from_utf8(seen).unwrap().trim(), "24 80");
            // The screen goes away while the program waits for keys.
            let (_keys, input) = mpsc::channel::<TtyInput>(1);
            let (output, screen) = mpsc::channel(64);
            drop(screen);
            let ended = timeout(LONG, daemon.exec_tty(&name, &command(&["sh"]), input, output)).await;
            ended.expect("ends").expect("with whatever code");
        })
        .await;
    }
}

/// Surprise 4: only the direct child is signalled by the daemons; a cancelled command leaves nothing behind.
#[tokio::test]
async fn a_cancelled_command_takes_its_children_along() {
    for (daemon, _) in daemons().await {
        let name = unique("cancel");
        clean(&daemon, &name, async {
            started(&daemon, &name).await;
            let progress = Progress::default();
            let cancel = progress.cancel.clone();
            let spec = command(&["sh", "-c", "sleep 4321 & sh -c 'sleep 4321; true'; true"]);
            let mut ignore = |_: u8, _: &[u8]| {};
            let running = daemon.exec(&name, &spec, &mut ignore, &progress);
            let (ended, ()) = tokio::join!(timeout(LONG, running), async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                assert!(!sleepers(&daemon, &name).await.is_empty(), "they ran");
                cancel.cancel();
            });
            assert!(matches!(
                ended.expect("ends").unwrap_err(),
                Error::Cancelled { .. }
            ));
            assert_eq!(sleepers(&daemon, &name).await, "");
            // One that will not hear TERM.
            let progress = Progress::default();
            let cancel = progress.cancel.clone();
            let spec = command(&["sh", "-c", "trap '' TERM; while :; do sleep 4321; done"]);
            let running = daemon.exec(&name, &spec, &mut ignore, &progress);
            let (ended, ()) = tokio::join!(timeout(LONG, running), async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                cancel.cancel();
            });
            assert!(matches!(
                ended.expect("ends").unwrap_err(),
                Error::Cancelled { .. }
            ));
            assert_eq!(sleepers(&daemon, &name).await, "");
        })
        .await;
    }
}

/// The long sleeps that run inside.
async fn sleepers(daemon: &Lxd, name: &str) -> String {
    let script = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null; echo; done | grep '^sleep 4321' || true";
    run(daemon, name, &command(&["sh", "-c", script])).await.1
}

/// Surprise 5: a command in a frozen instance would hang for ever; starting the instance thaws it.
#[tokio::test]
async fn a_frozen_instance_refuses_commands_and_thaws() {
    for (daemon, socket) in daemons().await {
        let name = unique("frozen");
        clean(&daemon, &name, async {
            started(&daemon, &name).await;
            let state = format!("/1.0/instances/{name}/state");
            raw(&socket, "PUT", &state, json!({ "action": "freeze" })).await;
            assert_eq!(
                daemon.instance(&name).await.unwrap().unwrap().status,
                Status::Frozen
            );
            let began = Instant::now();
            let spec = command(&["true"]);
            let error = daemon
                .exec(&name, &spec, &mut |_, _| {}, &Progress::default())
                .await
                .unwrap_err();
            assert!(
                error.to_string().contains(&format!("halolab start {name}")),
                "{error}"
            );
            assert!(began.elapsed() < Duration::from_secs(5));
            daemon.power(&name, Power::Start).await.unwrap();
            assert_eq!(run(&daemon, &name, &spec).await.0, 0);
            raw(&socket, "PUT", &state, json!({ "action": "freeze" })).await;
            daemon.power(&name, Power::Stop { seconds: 10 }).await.unwrap();
            assert_eq!(
                daemon.instance(&name).await.unwrap().unwrap().status,
                Status::Stopped
            );
        })
        .await;
    }
}

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
            assert!(began.elapsed() < Duration::from_secs(30));
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
        let http = reqwest::Client::builder().unix_socket(&*socket).build().unwrap();
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
            let repair = repairs.pop().unwrap().replace("sudo ", "");
            let lxd_dir = socket.parent().unwrap();
            let repaired = Command::new("sh")
                .args(["-c", &repair])
                .env("LXD_DIR", lxd_dir)
                .status();
            assert!(repaired.unwrap().success(), "{repair}");
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
