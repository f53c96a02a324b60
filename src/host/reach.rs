//! Whether image servers can be reached, before a plan relies on one.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{net::TcpStream, time::timeout};
use url::Url;

use super::{Fact, Facts};

/// The fact with the names of the image servers that cannot be reached, a space between them.
pub const UNREACHABLE: &str = "unreachable";

/// Looks at servers side by side, each for at most `wait`, and writes those that do not answer into the facts.
/// Behind a proxy nothing is known, and so nothing is said.
pub async fn look(facts: &mut Facts, servers: &[(String, String)], wait: Duration) {
    let proxied = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    let looked = join_all(
        servers
            .iter()
            .map(|(_, url)| async { proxied || answers(url, wait).await }),
    )
    .await;
    let silent = servers
        .iter()
        .zip(looked)
        .filter(|(_, there)| !there)
        .map(|((name, _), _)| name.as_str());
    let names = silent.collect::<Vec<_>>().join(" ");
    facts.insert(UNREACHABLE.into(), Fact::Text(names));
}

/// Whether a connection to the server can be made.
async fn answers(url: &str, wait: Duration) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return false;
    };
    timeout(wait, TcpStream::connect((host, port)))
        .await
        .is_ok_and(|connected| connected.is_ok())
}

/// Whether a server is known not to answer.
pub fn is_silent(facts: &Facts, server: &str) -> bool {
    matches!(facts.get(UNREACHABLE), Some(Fact::Text(names)) if names.split(' ').any(|name| name == server))
}
