//! What the client makes of a daemon's answers, and of none: a scripted daemon says what a real one
//! says only when it is broken, starting, clustered, or the other product.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common {
    pub(super) mod scripted;
}

use std::time::{Duration, Instant};

use common::scripted::{Reply, Scripted, no, operation, server, started, yes};
use halolab::backend::{Backend as _, ConfigEdit, Error, InstanceSpec, Power, Progress, lxd, lxd::Lxd};
use serde_json::{Value, json};

/// Runs the deletion of instance `a` against a script for what comes after `DELETE`.
async fn deletion(
    script: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
) -> (Result<(), Error>, Vec<String>) {
    let daemon = Scripted::start(move |seen, n| match seen.line.as_str() {
        "GET /1.0" => server(),
        line => script(line, n),
    });
    let client = daemon.client().await.unwrap();
    let ended = client.delete("a").await;
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
    let lines: String = (0..791)
        .map(|n| format!("tar: rootfs/usr/share/{n}: Cannot write: No space left on device\n"))
        .collect();
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

/// Surprise 12: the daemons disagree about starting at once, so it is never asked for.
#[tokio::test]
async fn an_instance_is_never_made_started() {
    let daemon = Scripted::start(|seen, _| match seen.line.as_str() {
        "GET /1.0" => server(),
        "POST /1.0/instances" => started("op-1", "/1.0/operations/op-1"),
        _ => operation("op-1", 200, ""),
    });
    let client = daemon.client().await.unwrap();
    let spec = InstanceSpec {
        name: "a".into(),
        image: "lab/bb".into(),
        ..InstanceSpec::default()
    };
    client.create(&spec, &Progress::default()).await.unwrap();
    let body: Value = serde_json::from_slice(&daemon.seen()[0].body).unwrap();
    assert_eq!(body["source"], json!({ "type": "image", "alias": "lab/bb" }));
    assert!(
        body.get("start").is_none() && body.get("profiles").is_none(),
        "{body}"
    );
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
    let began = Instant::now();
    let error = never.client().await.unwrap_err();
    assert!(error.to_string().contains("setup in progress"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3));
}

/// A daemon that accepts and says nothing: each kind of call ends by its deadline and says which.
#[tokio::test]
async fn a_daemon_that_hangs_is_a_timeout() {
    let mute = Scripted::start(|_, _| Reply::Hang);
    let began = Instant::now();
    let error = mute.client().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    let (ended, _) = deletion(|_, _| Reply::Hang).await;
    assert!(matches!(ended.unwrap_err(), Error::Timeout { .. }));
    // An operation may last for ever; a daemon that does not even say so may not.
    let (ended, _) = deletion(|line, _| match line {
        "DELETE /1.0/instances/a" => started("op-1", "/1.0/operations/op-1"),
        _ => Reply::Hang,
    })
    .await;
    let error = ended.unwrap_err();
    assert!(
        error.to_string().contains("delete `a`") && error.to_string().contains("halolab status"),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
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

/// A change is sent for the state that was read; when that is stale it is read again, and nothing is lost.
#[tokio::test]
async fn a_lost_race_is_run_again() {
    let daemon = Scripted::start(|seen, n| match seen.line.as_str() {
        "GET /1.0" => server(),
        "GET /1.0/instances/a" => {
            let mut body = json!({ "type": "sync", "metadata": {
                "name": "a", "description": "mine", "config": { "user.x": "1" }, "devices": null,
                "profiles": ["default"], "status": "Running", "expanded_config": {}, "architecture": "x86_64",
            } });
            if n > 0 {
                body["metadata"]["config"]["user.other"] = json!("came between");
            }
            Reply::Tagged(
                200,
                if n == 0 {
                    "ETag: \"old\"\r\n"
                } else {
                    "ETag: \"new\"\r\n"
                },
                body,
            )
        }
        "PUT /1.0/instances/a" if seen.head.contains("if-match: \"old\"") => no(412, "ETag doesn't match"),
        "PUT /1.0/instances/a" if seen.head.contains("if-match: \"new\"") => {
            started("op-1", "/1.0/operations/op-1")
        }
        _ => operation("op-1", 200, ""),
    });
    let client = daemon.client().await.unwrap();
    let edit = ConfigEdit {
        config: [("user.y".into(), Some("2".into()))].into(),
        ..ConfigEdit::default()
    };
    client.edit("a", &edit).await.unwrap();
    let put = daemon
        .seen()
        .into_iter()
        .filter(|s| s.line.starts_with("PUT"))
        .next_back()
        .unwrap();
    let body: Value = serde_json::from_slice(&put.body).unwrap();
    assert_eq!(
        body["config"],
        json!({ "user.x": "1", "user.y": "2", "user.other": "came between" })
    );
    assert_eq!(body["description"], "mine");
    assert!(
        body.get("status").is_none() && body.get("expanded_config").is_none(),
        "{body}"
    );
}

/// Cancelling is an order that the daemon may not take at once; it is given until it is taken, and the end awaited.
#[tokio::test]
async fn cancelling_stops_the_daemons_operation() {
    let daemon = Scripted::start(|seen, n| match (seen.line.as_str(), n) {
        ("GET /1.0", _) => server(),
        ("POST /1.0/instances", _) => started("op-1", "/1.0/operations/op-1"),
        ("DELETE /1.0/operations/op-1", 0) => no(400, "This operation can't be cancelled"),
        ("DELETE /1.0/operations/op-1", _) => yes(json!({})),
        (_, n) if n < 4 => operation("op-1", 103, ""),
        _ => operation("op-1", 400, "context canceled"),
    });
    let client = daemon.client().await.unwrap();
    let progress = Progress::default();
    let cancel = progress.cancel.clone();
    let spec = InstanceSpec {
        name: "a".into(),
        image: "x".into(),
        ..InstanceSpec::default()
    };
    let (ended, ()) = tokio::join!(client.create(&spec, &progress), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel.cancel();
    });
    assert!(matches!(ended.unwrap_err(), Error::Cancelled { .. }));
    let lines = daemon.lines();
    let orders = lines.iter().filter(|l| l.starts_with("DELETE")).count();
    assert_eq!(orders, 2, "{lines:?}");
    assert!(
        lines.last().unwrap().contains("/wait"),
        "its end is awaited: {lines:?}"
    );
    // What was cancelled before it began is not even asked for.
    let before = daemon.lines().len();
    client.create(&spec, &progress).await.unwrap_err();
    assert_eq!(daemon.lines().len(), before);
}

/// Being there already is a success, not being there is not.
#[tokio::test]
async fn power_that_is_there_already_is_a_success() {
    for (error, good) in [
        ("The instance is already running", true),
        ("Failed to run", false),
    ] {
        let daemon = Scripted::start(move |seen, _| match seen.line.as_str() {
            "GET /1.0" => server(),
            "GET /1.0/instances/a" => {
                yes(json!({ "name": "a", "status_code": 102, "last_used_at": "2026-01-01T00:00:00Z" }))
            }
            "PUT /1.0/instances/a/state" => started("op-1", "/1.0/operations/op-1"),
            _ => operation("op-1", 400, error),
        });
        let client = daemon.client().await.unwrap();
        assert_eq!(client.power("a", Power::Start).await.is_ok(), good);
    }
}

/// Surprise 6: a write that was answered well and wrote less is a failure.
#[tokio::test]
async fn a_file_that_arrives_short_is_refused() {
    let daemon = Scripted::start(|seen, _| match seen.line.as_str() {
        "GET /1.0" => server(),
        "POST /1.0/instances/a/files?path=%2Fetc%2Fx%20y" => yes(json!({})),
        "GET /1.0/instances/a/files?path=%2Fetc%2Fx%20y" => {
            Reply::Raw(b"HTTP/1.1 200 OK\r\nX-LXD-type: file\r\nContent-Length: 3\r\n\r\nabc")
        }
        other => panic!("{other}"),
    });
    let client = daemon.client().await.unwrap();
    let error = client
        .push("a", "/etc/x y", b"abcdef", 0o640, (5, 6))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("6 bytes were sent and 3 arrived"),
        "{error}"
    );
    let head = &daemon.seen()[0].head;
    for header in [
        "content-type: application/octet-stream",
        "x-lxd-mode: 0640",
        "x-incus-mode: 0640",
        "x-lxd-uid: 5",
        "x-lxd-gid: 6",
    ] {
        assert!(head.contains(header), "{header} in {head}");
    }
}

/// Surprise 7: the hash goes with the file, whole and under both names.
#[tokio::test]
async fn an_upload_carries_its_hash() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![7; 700_000]).unwrap();
    let daemon = Scripted::start(|seen, _| match seen.line.as_str() {
        "GET /1.0" => server(),
        "POST /1.0/images" => started("op-1", "/1.0/operations/op-1"),
        "GET /1.0/operations/op-1/wait?timeout=1" => {
            operation("op-1", 400, "fingerprints don't match, got a expected b")
        }
        _ => no(404, "Image not found"),
    });
    let client = daemon.client().await.unwrap();
    let error = client
        .import_image(file.path(), "x", &Progress::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("fingerprints don't match"), "{error}");
    let seen = daemon.seen();
    let upload = seen.iter().find(|s| s.line == "POST /1.0/images").unwrap();
    assert_eq!(upload.body.len(), 700_000);
    for header in ["x-lxd-fingerprint: ", "x-incus-fingerprint: "] {
        let value = upload.head.lines().find_map(|l| l.strip_prefix(header)).unwrap();
        assert_eq!(value, sha256(&upload.body));
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
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
