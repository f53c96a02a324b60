//! What an image server announces: `streams/v1/index.json`, and the lists of products that it names.
//!
//! The daemon fetches images by itself. These lists are read beside it, so that what it stored can be compared with what
//! was announced, and be shown before anything is made of it. Everything in them is outside text.

use std::{collections::BTreeMap, time::Duration};

use futures_util::StreamExt as _;
use serde::Deserialize;

use super::{RemoteImage, lxd::tls_of_server, types::is_fingerprint};

/// Where each server has its index.
const INDEX: &str = "streams/v1/index.json";
/// Bytes of a list that are read; Ubuntu's, the longest that is known, has about 10 million.
const LONGEST: usize = 64 << 20;
/// How long the lists of one server may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lists of an index that are read; servers have one, Ubuntu's has four.
const MOST_LISTS: usize = 16;

/// Why it is not known what a server announces.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// It cannot be asked from here.
    #[error("{url} cannot be read: {reason}")]
    Unreachable {
        /// The list.
        url: String,
        /// Why not.
        reason: String,
    },
    /// It is no such list.
    #[error("{url} is no simplestreams list: {reason}")]
    Malformed {
        /// The list.
        url: String,
        /// Why not.
        reason: String,
    },
    /// There is none of this name for this kind of machine.
    #[error("{server} announces no image {alias} for {architecture}")]
    Absent {
        /// The server.
        server: String,
        /// The alias that was looked for.
        alias: String,
        /// This machine's, as `amd64`.
        architecture: String,
    },
}

/// `index.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Index {
    index: BTreeMap<String, Listing>,
}

/// Where a list of products is, relative to the server.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listing {
    datatype: String,
    path: String,
}

/// A list of products.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Products {
    products: BTreeMap<String, Product>,
}

/// An image in all its versions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Product {
    /// Commas between.
    aliases: String,
    arch: String,
    /// By serial, which sorts by time.
    versions: BTreeMap<String, Version>,
}

/// The files of one version.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Version {
    items: BTreeMap<String, Item>,
}

/// One file. A daemon knows an image by SHA-256 over its files, one after another, which the metadata's entry tells.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item {
    ftype: String,
    sha256: String,
    #[serde(rename = "combined_sha256")]
    both: String,
    #[serde(rename = "combined_squashfs_sha256")]
    with_squashfs: String,
    #[serde(rename = "combined_rootxz_sha256")]
    with_rootxz: String,
}

/// Where the lists of products are, relative to the server.
///
/// # Errors
/// The text is no index.
pub fn listings(index: &[u8]) -> Result<Vec<String>, serde_json::Error> {
    let index: Index = serde_json::from_slice(index)?;
    let images = index
        .index
        .into_values()
        .filter(|l| l.datatype == "image-downloads");
    let inside = images.map(|l| l.path).filter(|path| is_inside(path));
    Ok(inside.take(MOST_LISTS).collect())
}

/// Whether a path stays below the server's root, and is a path and nothing else.
fn is_inside(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:+/".contains(c);
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    (1..=512).contains(&path.len())
        && path.chars().all(plain)
        && !path.contains("//")
        // However it is joined to the server: what ends with a colon there would be read as a scheme.
        && !path.split('/').next().unwrap_or_default().contains(':')
        && path.split('/').all(part)
}

/// The fingerprints of containers' images that a list of products has for an alias and an architecture, of the newest
/// version first. A server keeps some versions, and a daemon may remember a list for an hour.
///
/// # Errors
/// The text is no list of products.
pub fn fingerprints(
    products: &[u8],
    alias: &str,
    architecture: &str,
) -> Result<Vec<String>, serde_json::Error> {
    let products: Products = serde_json::from_slice(products)?;
    let ours = |p: &&Product| p.arch == architecture && p.aliases.split(',').any(|a| a.trim() == alias);
    let mut versions: Vec<(&String, &Version)> = vec![];
    for product in products.products.values().filter(ours) {
        versions.extend(&product.versions);
    }
    versions.sort_by(|(a, _), (b, _)| b.cmp(a));
    let mut found = vec![];
    for item in versions.iter().flat_map(|(_, version)| version.items.values()) {
        for fingerprint in of_item(item) {
            if is_fingerprint(fingerprint) && !found.iter().any(|f| f == fingerprint) {
                found.push(fingerprint.to_owned());
            }
        }
    }
    Ok(found)
}

/// What images of this file's version are known by.
fn of_item(item: &Item) -> Vec<&str> {
    match item.ftype.as_str() {
        "lxd_combined.tar.gz" | "incus_combined.tar.gz" => vec![&item.sha256],
        "lxd.tar.xz" | "incus.tar.xz" => vec![&item.with_squashfs, &item.with_rootxz, &item.both],
        _ => vec![],
    }
}

/// Asks a server which fingerprints it announces for an image, of the newest version first.
///
/// # Errors
/// It cannot be reached from here, does not say it in this form, or has no such image.
pub async fn announced(source: &RemoteImage) -> Result<Vec<String>, Unread> {
    let architecture = architecture();
    let server = source.server.trim_end_matches('/');
    let looked = async {
        let client = client(source).map_err(|reason| unreachable(server, &reason))?;
        let url = format!("{server}/{INDEX}");
        let index = get(&client, &url).await?;
        let lists = listings(&index).map_err(|e| malformed(&url, &e))?;
        for path in lists {
            let url = format!("{server}/{path}");
            let products = get(&client, &url).await?;
            let found = fingerprints(&products, &source.alias, architecture);
            let found = found.map_err(|e| malformed(&url, &e))?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Err(Unread::Absent {
            server: server.to_owned(),
            alias: source.alias.clone(),
            architecture: architecture.to_owned(),
        })
    };
    match tokio::time::timeout(PATIENCE, looked).await {
        Ok(looked) => looked,
        Err(_) => Err(unreachable(server, "it did not answer in 30 s")),
    }
}

/// This machine's kind, in the names of distributions.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A client that believes the authority of this server, or the system's; proxies as the environment says.
fn client(source: &RemoteImage) -> Result<reqwest::Client, String> {
    let config = tls_of_server(source.certificate.as_deref())?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .https_only(true)
        .user_agent(concat!("halolab/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(5))
        .build()
        .map_err(|e| reason(&e))
}

async fn get(client: &reqwest::Client, url: &str) -> Result<Vec<u8>, Unread> {
    let failed = |e: reqwest::Error| unreachable(url, &reason(&e));
    let response = client.get(url).send().await.map_err(failed)?;
    let response = response.error_for_status().map_err(failed)?;
    let mut pieces = response.bytes_stream();
    let mut bytes = vec![];
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece.map_err(failed)?);
        if bytes.len() > LONGEST {
            return Err(unreachable(url, "it is longer than any such list"));
        }
    }
    Ok(bytes)
}

/// The innermost reason: the outer ones only say that a request failed.
fn reason(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    crate::log::sanitize(&innermost.to_string())
}

fn unreachable(url: &str, reason: &str) -> Unread {
    Unread::Unreachable {
        url: url.to_owned(),
        reason: reason.to_owned(),
    }
}

fn malformed(url: &str, error: &serde_json::Error) -> Unread {
    Unread::Malformed {
        url: url.to_owned(),
        reason: crate::log::sanitize(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    #[test]
    fn the_lists_of_images_are_found_and_none_leaves_the_server() {
        let entry = |path: &str| serde_json::json!({"datatype": "image-downloads", "path": path});
        let index = serde_json::json!({"index": {
            "a": entry("streams/v1/images.json"),
            "b": entry("../secret.json"), "c": entry("/etc/passwd"), "d": entry("https://elsewhere/x.json"),
            "k": entry("s9:streams/v1/images.json"), "e": entry("streams/%2e%2e/x"), "f": entry("a?b"), "g": entry("a\u{1b}[2J"), "h": entry(""),
            "i": entry("streams/v1/com.ubuntu.cloud:released:download.json"),
            "j": {"datatype": "image-ids", "path": "streams/v1/other.json"},
        }});
        let found = listings(index.to_string().as_bytes()).unwrap();
        assert_eq!(
            found,
            [
                "streams/v1/images.json",
                "streams/v1/com.ubuntu.cloud:released:download.json"
            ]
        );
        listings(b"{").unwrap_err();
    }

    #[test]
    fn what_is_announced_is_of_this_alias_and_machine_the_newest_first() {
        let item = |kind: &str, key: &str, sum: String| serde_json::json!({"ftype": kind, key: sum});
        let list = serde_json::json!({"products": {
            "one": {"aliases": "debian/12, debian/bookworm", "arch": "amd64", "versions": {
                "20260101_0000": {"items": {
                    "lxd.tar.xz": item("lxd.tar.xz", "combined_squashfs_sha256", sum('a')),
                    "disk.qcow2": item("disk-kvm.img", "sha256", sum('b')),
                }},
                "20260102_0000": {"items": {
                    "c": item("incus_combined.tar.gz", "sha256", sum('c')),
                    "d": item("lxd.tar.xz", "combined_rootxz_sha256", "not a sum".into()),
                }},
            }},
            "two": {"aliases": "debian/12", "arch": "arm64", "versions": {
                "20260103_0000": {"items": {"e": item("lxd_combined.tar.gz", "sha256", sum('e'))}},
            }},
        }});
        let list = list.to_string();
        let of = |alias: &str, arch: &str| fingerprints(list.as_bytes(), alias, arch).unwrap();
        assert_eq!(of("debian/bookworm", "amd64"), [sum('c'), sum('a')]);
        assert_eq!(of("debian/12", "arm64"), [sum('e')]);
        assert_eq!(of("debian", "amd64"), Vec::<String>::new());
    }
}
