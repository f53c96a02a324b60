//! What the client asks of a daemon, and in which order.

use std::time::Duration;

use super::daemon::{Reply, Scripted, no, operation, server, started, yes};
use halolab::backend::{Backend as _, ConfigEdit, Error, InstanceSpec, Power, Progress};
use serde_json::{Value, json};

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
        .rfind(|s| s.line.starts_with("PUT"))
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

/// What the daemon refuses is a success where the instance got there by itself, whatever the words are.
#[tokio::test]
async fn power_that_is_there_already_is_a_success() {
    for (error, status, good) in [
        ("The instance is already running", 103, true),
        ("container is not stopped: \"a\"", 103, true),
        ("Failed to run", 102, false),
    ] {
        let daemon = Scripted::start(move |seen, _| match seen.line.as_str() {
            "GET /1.0" => server(),
            "GET /1.0/instances/a" => {
                yes(json!({ "name": "a", "status_code": status, "last_used_at": "2026-01-01T00:00:00Z" }))
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
    let digest = sha2::Sha256::digest(bytes);
    digest
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
