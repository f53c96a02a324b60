//! Requests past the client.

use std::path::Path;

use serde_json::Value;

/// A bare request, past the client; an operation is waited for.
pub(crate) async fn raw(socket: &Path, method: &str, path: &str, body: Value) -> Value {
    // A connection that a pool keeps silent stops LXD 5.0 for everybody.
    let http = reqwest::Client::builder()
        .unix_socket(socket)
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    let request = http.request(method.parse().unwrap(), format!("http://lxd{path}"));
    let answer: Value = request.json(&body).send().await.unwrap().json().await.unwrap();
    // A token is an operation that runs until somebody uses it.
    let waits = answer["type"] == "async" && answer["metadata"]["class"] == "task";
    let Some(id) = answer["metadata"]["id"].as_str().filter(|_| waits) else {
        return answer;
    };
    let wait = http.get(format!("http://lxd/1.0/operations/{id}/wait"));
    wait.send().await.unwrap().json().await.unwrap()
}
