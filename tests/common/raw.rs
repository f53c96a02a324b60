//! Requests past the client.

use std::path::Path;

use serde_json::Value;

/// A bare request, past the client; an operation is waited for.
pub(crate) async fn raw(socket: &Path, method: &str, path: &str, body: Value) -> Value {
    let http = reqwest::Client::builder().unix_socket(socket).build().unwrap();
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
