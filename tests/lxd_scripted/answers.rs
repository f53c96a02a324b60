//! What the client makes of a daemon's answers, and of none.

use std::time::Duration;

use super::daemon::{Reply, Scripted, no, operation, server, started, yes};
use halolab::backend::{
    Backend as _, Error,
    lxd::{self, Lxd},
};
use serde_json::json;

/// Runs the deletion of instance `a` against a script for what comes after `DELETE`.
async fn deletion(
    script: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
) -> (Result<(), Error>, Vec<String>) {
    deletion_within(Duration::from_secs(5), script).await
}

/// The same where a question may take so long, and a change six times that.
async fn deletion_within(
    question: Duration,
    script: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
) -> (Result<(), Error>, Vec<String>) {
    let daemon = Scripted::start(move |seen, n| match seen.line.as_str() {
        "GET /1.0" => server(),
        line => script(line, n),
    });
    let client = Lxd::connect_unix_within(daemon.socket(), question, Duration::from_secs(1));
    let ended = client.await.unwrap().delete("a").await;
    (ended, daemon.lines())
}

fn message(ended: Result<(), Error>) -> String {
    match ended.unwrap_err() {
        Error::Refused { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

/// Surprise 1: LXD answers a wait for a failed operation with 200 and the failure inside.
#[tokio::test]
async fn a_failure_inside_a_success_is_a_failure() {
    let (ended, _) = deletion(|line, _| match line {
        "DELETE /1.0/instances/a" => started("op-1", "/1.0/operations/op-1"),
        _ => operation("op-1", 400, "it broke"),
    })
    .await;
    assert_eq!(message(ended), "it broke");
}

/// Surprise 1: Incus answers with an error instead of the operation, known or forgotten.
#[tokio::test]
async fn an_error_instead_of_an_operation_is_a_failure() {
    let (ended, lines) = deletion(|line, _| match line {
        "DELETE /1.0/instances/a" => started("op-1", "/1.0/operations/op-1"),
        "GET /1.0/operations/op-1" => operation("op-1", 400, "it broke"),
        _ => Reply::Json(
            200,
            json!({ "type": "error", "error_code": 500, "error": "it broke", "metadata": null }),
        ),
    })
    .await;
    assert_eq!(message(ended), "it broke");
    assert_eq!(lines.last().unwrap(), "GET /1.0/operations/op-1");
    let (ended, _) = deletion(|line, _| match line {
        "DELETE /1.0/instances/a" => started("op-1", "/1.0/operations/op-1"),
        "GET /1.0/operations/op-1" => no(404, "Operation not found"),
        _ => no(500, "it broke"),
    })
    .await;
    assert_eq!(message(ended), "it broke");
}

/// Surprise 1: a slice of waiting that ran out is no end.
#[tokio::test]
async fn an_operation_that_still_runs_is_waited_for() {
    let (ended, lines) = deletion(|line, n| match (line, n) {
        ("DELETE /1.0/instances/a", _) => started("op-1", "/1.0/operations/op-1"),
        (_, 0) => operation("op-1", 103, ""),
        (_, 1) => operation("op-1", 105, ""),
        _ => operation("op-1", 200, ""),
    })
    .await;
    ended.unwrap();
    assert_eq!(lines[1..], vec!["GET /1.0/operations/op-1/wait?timeout=1"; 3]);
}

/// Surprise 2: a cluster appends a query to the operation's URL; with and without an id in the body.
#[tokio::test]
async fn the_query_of_a_clusters_operation_is_not_part_of_its_path() {
    for id in ["op-1", ""] {
        let (ended, lines) = deletion(move |line, _| match line {
            "DELETE /1.0/instances/a" => started(id, "/1.0/operations/op-1?project=default"),
            _ => operation("op-1", 200, ""),
        })
        .await;
        ended.unwrap();
        assert_eq!(lines[1], "GET /1.0/operations/op-1/wait?timeout=1");
    }
}

/// Surprise 9: 62,634 characters of "No space left on device" become a sentence.
#[tokio::test]
async fn a_flood_of_the_same_error_is_folded() {
    let lines = (0..791).fold(String::new(), |text, n| {
        text + &format!("tar: rootfs/usr/share/{n}: Cannot write: No space left on device\n")
    });
    let (ended, _) = deletion(move |line, _| match line {
        "DELETE /1.0/instances/a" => started("op-1", "/1.0/operations/op-1"),
        _ => operation(
            "op-1",
            400,
            &format!("Failed to unpack ({lines}tar: Exiting with failure status)\u{1b}[2J"),
        ),
    })
    .await;
    let text = ended.unwrap_err().to_string();
    assert!(text.chars().count() < 600, "{} characters", text.chars().count());
    assert_eq!(text.matches("No space left on device").count(), 1, "{text}");
    assert!(text.contains("790 more") && !text.contains('\u{1b}'), "{text}");
}

/// Surprise 14: a handler that crashes answers nothing. A change is never sent twice, a question once more.
#[tokio::test]
async fn an_empty_answer_is_a_lost_one() {
    let (ended, lines) = deletion(|_, _| Reply::Hangup).await;
    assert!(matches!(ended.unwrap_err(), Error::Lost { .. }));
    assert_eq!(lines, ["DELETE /1.0/instances/a"]);
    let daemon = Scripted::start(|seen, n| match (seen.line.as_str(), n) {
        ("GET /1.0", _) => server(),
        (_, 0) => Reply::Hangup,
        _ => yes(json!([])),
    });
    let client = daemon.client().await.unwrap();
    assert_eq!(client.instances().await.unwrap(), []);
}

/// Surprise 15: the socket answers before the daemon is ready.
#[tokio::test]
async fn a_daemon_that_is_starting_is_asked_again() {
    let daemon = Scripted::start(|_, n| match n {
        0 | 1 => no(503, "LXD daemon setup in progress"),
        _ => server(),
    });
    let client =
        Lxd::connect_unix_within(daemon.socket(), Duration::from_secs(5), Duration::from_secs(1)).await;
    assert!(client.unwrap().server().await.unwrap().trusted);
    let never = Scripted::start(|_, _| no(503, "LXD daemon setup in progress"));
    let error = never.client().await.unwrap_err();
    assert!(error.to_string().contains("setup in progress"), "{error}");
}

/// A daemon that accepts and says nothing: each kind of call ends by its deadline and says which.
#[tokio::test]
async fn a_daemon_that_hangs_is_a_timeout() {
    let mute = Scripted::start(|_, _| Reply::Hang);
    let error = mute.client().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    let short = Duration::from_secs(1);
    let (ended, _) = deletion_within(short, |_, _| Reply::Hang).await;
    assert!(matches!(ended.unwrap_err(), Error::Timeout { .. }));
    // An operation may last for ever; a daemon that does not even say so may not.
    let (ended, _) = deletion_within(short, |line, _| match line {
        "DELETE /1.0/instances/a" => started("op-1", "/1.0/operations/op-1"),
        _ => Reply::Hang,
    })
    .await;
    let error = ended.unwrap_err();
    assert!(
        error.to_string().contains("delete `a`") && error.to_string().contains("halolab status"),
        "{error}"
    );
}

/// A daemon that goes away in an operation: lost, not refused and not absent.
#[tokio::test]
async fn a_daemon_that_dies_in_an_operation_is_lost() {
    let (ended, _) = deletion(|line, _| match line {
        "DELETE /1.0/instances/a" => started("op-1", "/1.0/operations/op-1"),
        _ => Reply::Die,
    })
    .await;
    assert!(matches!(ended.unwrap_err(), Error::Lost { .. }));
    // It came back and knows nothing of what it was doing.
    let (ended, _) = deletion(|line, _| match line {
        "DELETE /1.0/instances/a" => started("op-1", "/1.0/operations/op-1"),
        _ => no(404, "Operation not found"),
    })
    .await;
    let error = ended.unwrap_err();
    assert!(matches!(&error, Error::Lost { .. }), "{error:?}");
    assert!(error.to_string().contains("restarted"), "{error}");
}

/// What is no LXD at all is told as such.
#[tokio::test]
async fn garbage_is_named_garbage() {
    for garbage in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"type\":\"nosuch\"",
    ] {
        let daemon = Scripted::start(move |_, _| Reply::Raw(garbage));
        let error = daemon.client().await.unwrap_err();
        assert!(
            matches!(error, Error::Protocol { .. } | Error::Lost { .. }),
            "{error:?}"
        );
    }
    let daemon = Scripted::start(|seen, _| match seen.line.as_str() {
        "GET /1.0" => server(),
        _ => yes(json!("not a list")),
    });
    let error = daemon.client().await.unwrap().instances().await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
}

/// Nulls and holes where the daemons have nothing.
#[tokio::test]
async fn nulls_are_nothing() {
    let daemon = Scripted::start(|seen, _| match seen.line.as_str() {
        "GET /1.0" => server(),
        "GET /1.0/instances?recursion=1" => yes(json!([{
            "name": "a", "status": "Stopped", "status_code": 102, "config": null, "profiles": null,
            "devices": null, "expanded_devices": null, "description": null, "last_used_at": "0001-01-01T00:00:00Z",
        }])),
        "GET /1.0/instances/a/state" => {
            yes(json!({ "disk": null, "network": null, "memory": { "usage": -1 }, "processes": -1 }))
        }
        _ => {
            yes(json!([{ "name": "a/s", "size": -1, "created_at": "2026-01-01T00:00:00Z" }, { "name": "t" }]))
        }
    });
    let client = daemon.client().await.unwrap();
    let listed = client.instances().await.unwrap();
    assert_eq!((listed[0].name.as_str(), listed[0].last_used.as_str()), ("a", ""));
    let state = client.state("a").await.unwrap();
    assert_eq!((state.disk, state.memory, state.processes), (None, 0, 0));
    let snapshots = client.snapshots("a").await.unwrap();
    let told: Vec<_> = snapshots.iter().map(|s| (s.name.as_str(), s.size)).collect();
    assert_eq!(told, [("t", None), ("s", None)]);
}

/// A daemon that is named and does not answer is an error with the way on; no other is taken for it.
#[tokio::test]
async fn a_named_daemon_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("unix.socket");
    let error = lxd::connect(Some(named.to_str().unwrap())).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(named.to_str().unwrap()), "{error}");
    // A socket that nobody listens on any more.
    drop(std::os::unix::net::UnixListener::bind(&named).unwrap());
    let error = lxd::connect(Some(named.to_str().unwrap())).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let trust = lxd::Trust {
        folder: folder.path().join("config"),
        token: None,
    };
    let error = lxd::connect_with(Some("https://127.0.0.1:1"), &trust)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("https://127.0.0.1:1"), "{error}");
}

/// A daemon over the socket that does not trust us says so.
#[tokio::test]
async fn an_untrusting_daemon_is_told_apart() {
    let daemon = Scripted::start(|_, _| yes(json!({ "auth": "untrusted", "api_extensions": [] })));
    let error = daemon.client().await.unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
    let daemon = Scripted::start(|seen, _| match seen.line.as_str() {
        "GET /1.0" => server(),
        _ => no(403, "not authorized"),
    });
    let error = daemon.client().await.unwrap().instances().await.unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
}
