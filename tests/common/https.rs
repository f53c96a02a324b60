//! A daemon of this run over HTTPS: its address, who it trusts, and back to nobody.

use std::{net::TcpListener, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use super::raw::raw;

/// A token as `lxc config trust add` prints it.
pub(crate) async fn token(socket: &Path, name: &str) -> String {
    let body = json!({ "name": name, "type": "client", "token": true, "password": "" });
    let made = raw(socket, "POST", "/1.0/certificates", body).await;
    let told = &made["metadata"]["metadata"];
    let token = json!({
        "client_name": name,
        "fingerprint": told["fingerprint"],
        "addresses": told["addresses"],
        "secret": told["secret"],
        "expires_at": "0001-01-01T00:00:00Z",
    });
    BASE64_STANDARD.encode(token.to_string())
}

/// Sets a config key of the daemon.
async fn raw_config(socket: &Path, key: &str, value: &str) {
    let answer = raw(socket, "PATCH", "/1.0", json!({ "config": { key: value } })).await;
    assert_ne!(answer["type"], "error", "{answer}");
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Lets the daemon listen; its URL.
pub(crate) async fn listen(socket: &Path) -> String {
    let address = format!("127.0.0.1:{}", free_port());
    raw_config(socket, "core.https_address", &address).await;
    format!("https://{address}")
}

/// It listens no more, and trusts nobody of this name.
pub(crate) async fn forget(socket: &Path, name: &str) {
    let known = raw(socket, "GET", "/1.0/certificates?recursion=1", json!({})).await;
    for certificate in known["metadata"].as_array().unwrap() {
        if certificate["name"] == name {
            let path = format!(
                "/1.0/certificates/{}",
                certificate["fingerprint"].as_str().unwrap()
            );
            raw(socket, "DELETE", &path, json!({})).await;
        }
    }
    raw_config(socket, "core.https_address", "").await;
}
