//! Commands in instances of real daemons: output, exit codes, terminals, cancelling.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common {
    pub(super) mod daemon;
    pub(super) mod daemons;
    pub(super) mod inside;
    pub(super) mod raw;
}

use std::time::{Duration, Instant};

use common::{
    daemon::{clean, unique},
    daemons::daemons,
    inside::{LONG, command, run, started},
    raw::raw,
};
use halolab::backend::{Backend as _, Error, ExecSpec, Power, Progress, Status, TtyInput, lxd::Lxd};
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};

/// Output comes while the command runs, the two streams apart, whole, and with its exit code.
#[tokio::test]
async fn commands_stream() {
    for (daemon, _) in daemons().await {
        let name = unique("stream");
        clean(&daemon, &name, async {
            started(&daemon, &name).await;
            let script = "echo one; echo oops >&2; sleep 3; echo two; exit 5";
            let mut heard = vec![];
            let began = Instant::now();
            let mut take = |fd: u8, bytes: &[u8]| {
                heard.push((fd, String::from_utf8_lossy(bytes).into_owned(), began.elapsed()));
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
            assert!(
                last.saturating_sub(first) > Duration::from_millis(700),
                "it streams: {heard:?}"
            );

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
        })
        .await;
    }
}

/// What a command leaves behind in the background holds it up only while it holds its output.
#[tokio::test]
async fn what_stays_in_the_background_is_not_waited_for() {
    for (daemon, _) in daemons().await {
        let name = unique("behind");
        clean(&daemon, &name, async {
            started(&daemon, &name).await;
            let began = Instant::now();
            let spec = command(&["sh", "-c", "sleep 300 >/dev/null 2>&1 & echo up"]);
            assert_eq!(run(&daemon, &name, &spec).await.1, "up\n");
            assert!(
                began.elapsed() < Duration::from_secs(100),
                "{:?}",
                began.elapsed()
            );
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
            // The daemons lose what a terminal's program says right before its end (`lxc exec -t` on a
            // loaded machine: 12 of 180), so it stays a moment.
            let spec = ExecSpec {
                size: (80, 24),
                ..command(&["sh", "-c", "stty size; test -t 0; sleep 1; exit 7"])
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
            assert!(began.elapsed() < Duration::from_secs(100));
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
            // With whatever code; a loaded daemon may itself never learn of it, and then this is a timeout.
            let ended = ended.expect("ends");
            assert!(matches!(ended, Ok(_) | Err(Error::Timeout { .. })), "{ended:?}");
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
            assert!(began.elapsed() < Duration::from_mins(1));
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
