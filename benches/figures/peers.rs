//! The peers: bare REST calls with nothing around them, the daemon's own client, and our own program.

use std::{path::Path, process::Command};

use reqwest::{Client, Method};
use serde_json::{Value, json};

/// The median, in the unit of the input.
pub(crate) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Prints one line of the table.
pub(crate) fn row(what: &str, ours: Vec<f64>, rest: Vec<f64>, lxc: Option<Vec<f64>>) {
    let (ours, rest) = (median(ours), median(rest));
    let (lxc, ratio) = match lxc.map(median) {
        Some(lxc) => (format!("{lxc:.0}"), format!("{:.2}", ours / lxc)),
        None => ("-".into(), "-".into()),
    };
    println!(
        "{what:<34} {ours:>10.0} {rest:>10.0} {lxc:>10}   {:>9.2}  {ratio:>8}",
        ours / rest
    );
}

pub(crate) struct Peers {
    http: Client,
    folder: String,
    socket: String,
}

impl Peers {
    pub(crate) fn new(socket: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .unix_socket(socket.to_owned())
            // As the program: a connection that a pool keeps silent stops LXD 5.0's accept loop.
            .pool_max_idle_per_host(0)
            .http1_only()
            .build()
            .unwrap();
        let folder = Path::new(socket).parent().unwrap().display().to_string();
        Self {
            http,
            folder,
            socket: socket.to_owned(),
        }
    }

    async fn call(&self, method: Method, path: &str, body: Value) {
        let url = format!("http://lxd{path}");
        let answer: Value = self
            .http
            .request(method, url)
            .json(&body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        if let Some(id) = answer["metadata"]["id"].as_str() {
            let url = format!("http://lxd/1.0/operations/{id}/wait");
            let ended: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
            assert_eq!(ended["metadata"]["status_code"], 200, "{ended}");
        } else {
            assert_eq!(answer["type"], "sync", "{answer}");
        }
    }

    async fn state(&self, name: &str, action: &str) {
        let body = json!({"action": action, "force": true, "timeout": 30});
        self.call(Method::PUT, &format!("/1.0/instances/{name}/state"), body)
            .await;
    }

    pub(crate) async fn rest_create(&self, name: &str) {
        let body = json!({"name": name, "type": "container", "profiles": ["default"], "source": {"type": "image", "alias": "lab/bb"}});
        self.call(Method::POST, "/1.0/instances", body).await;
        self.state(name, "start").await;
    }

    pub(crate) async fn rest_snapshot(&self, name: &str, snapshot: &str) {
        self.call(
            Method::POST,
            &format!("/1.0/instances/{name}/snapshots"),
            json!({"name": snapshot}),
        )
        .await;
    }

    pub(crate) async fn rest_restore(&self, name: &str, snapshot: &str) {
        self.call(
            Method::PUT,
            &format!("/1.0/instances/{name}"),
            json!({"restore": snapshot}),
        )
        .await;
    }

    pub(crate) async fn rest_delete(&self, name: &str) {
        self.state(name, "stop").await;
        self.call(Method::DELETE, &format!("/1.0/instances/{name}"), json!({}))
            .await;
    }

    pub(crate) async fn rest_recreate(&self, name: &str, prev: &str) {
        let copy = |from: &str, to: &str| json!({"name": to, "type": "container", "profiles": ["default"], "source": {"type": "copy", "source": from}});
        self.state(name, "stop").await;
        self.call(Method::POST, "/1.0/instances", copy(name, prev)).await;
        self.call(Method::DELETE, &format!("/1.0/instances/{name}"), json!({}))
            .await;
        self.call(
            Method::POST,
            "/1.0/instances",
            copy(&format!("{prev}/clean"), name),
        )
        .await;
        self.state(name, "start").await;
    }

    /// Runs the daemon's own client.
    pub(crate) fn lxc(&self, arguments: &[&str]) {
        let client = if self.folder.contains("incus") {
            "incus"
        } else {
            "lxc"
        };
        let ended = Command::new(client)
            .args(arguments)
            .env("LXD_DIR", &self.folder)
            .env("INCUS_DIR", &self.folder)
            .output()
            .unwrap();
        assert!(
            ended.status.success(),
            "{client} {arguments:?}: {}",
            String::from_utf8_lossy(&ended.stderr)
        );
    }

    pub(crate) fn lxc_recreate(&self, name: &str, prev: &str) {
        self.lxc(&["stop", "-f", name]);
        self.lxc(&["copy", "-q", name, prev]);
        self.lxc(&["delete", name]);
        self.lxc(&["copy", "-q", &format!("{prev}/clean"), name]);
        self.lxc(&["start", name]);
    }

    /// Runs our own program.
    pub(crate) fn halolab(&self, arguments: &[&str]) {
        let home = tempfile::tempdir().unwrap();
        let ended = Command::new(env!("CARGO_BIN_EXE_halolab"))
            .args(arguments)
            .args(["--lxd", &self.socket])
            .env("HALOLAB_HOME", home.path())
            .output()
            .unwrap();
        assert!(
            ended.status.success(),
            "{}",
            String::from_utf8_lossy(&ended.stderr)
        );
    }
}
