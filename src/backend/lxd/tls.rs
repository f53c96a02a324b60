//! HTTPS to a daemon on another machine: who it is, and who we are.
//!
//! Its certificate is pinned in `servercerts/HOST.crt`, as `lxc` does it. It is pinned only when its
//! hash was given by somebody who knows it (a token, or `#SHA256` behind the URL), or when a
//! certificate authority of this system vouches for it. Another certificate than the pinned one is refused until somebody
//! gives the hash of the new one.

mod pin;

use std::{fs::OpenOptions, path::PathBuf, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::Method;
use rustls::{
    ClientConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpStream, time::timeout};

use pin::Pin;

use super::{
    Lxd,
    deadlines::Deadlines,
    locate::unusable,
    read_server,
    transport::{About, Ask, Target, Transport},
};
use crate::{
    backend::{Error, Result},
    paths::{Paths, open_private, write_private},
};

/// Where our certificate and those of servers are, and how to become known to a new one.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Folder with `client.crt`, `client.key` and `servercerts/`; filled when needed.
    pub folder: PathBuf,
    /// A token of `lxc config trust add`, or a trust password.
    pub token: Option<String>,
}

impl Trust {
    /// The user's own.
    pub fn of_user(token: Option<&str>) -> Result<Self> {
        let paths = Paths::discover().map_err(|e| unusable("the configuration folder", &e.to_string()))?;
        Ok(Self {
            folder: paths.config,
            token: token.map(str::to_owned),
        })
    }

    /// The hash of the server's certificate that a token carries.
    fn fingerprint(&self) -> Option<String> {
        let bytes = BASE64_STANDARD.decode(self.token.as_deref()?.trim()).ok()?;
        let token: Token = serde_json::from_slice(&bytes).ok()?;
        Some(token.fingerprint).filter(|f| !f.is_empty())
    }

    /// A file of the folder.
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.join(name)).ok()
    }

    /// Writes a file of the folder, for us alone.
    fn write(&self, name: &str, bytes: &[u8]) -> std::result::Result<(), String> {
        write_private(&self.folder.join(name), bytes).map_err(|e| e.to_string())
    }

    /// Our certificate and key, made when they are missing.
    fn identity(
        &self,
    ) -> std::result::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
        if self.folder.as_os_str().is_empty() {
            return Err("no folder for certificates is known: set HOME".into());
        }
        if self.folder.join("client.key").exists() {
            // One that others can read is closed, and a link to elsewhere refused.
            let key = open_private(OpenOptions::new().read(true), &self.folder.join("client.key"));
            key.map_err(|e| format!("client.key: {e}"))?;
        }
        let (certificate, key) = match (self.read("client.crt"), self.read("client.key")) {
            (Some(certificate), Some(key)) => (certificate, key),
            _ => self.make_identity()?,
        };
        let chain = CertificateDer::pem_slice_iter(&certificate).collect::<std::result::Result<_, _>>();
        let chain = chain.map_err(|e| format!("client.crt: {e}"))?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|e| format!("client.key: {e}"))?;
        Ok((chain, key))
    }

    /// Makes our certificate and key.
    fn make_identity(&self) -> std::result::Result<(Vec<u8>, Vec<u8>), String> {
        let make = || -> std::result::Result<(String, String), rcgen::Error> {
            let key = rcgen::KeyPair::generate()?;
            let mut wanted = rcgen::CertificateParams::new(vec![])?;
            wanted
                .distinguished_name
                .push(rcgen::DnType::CommonName, "halolab");
            wanted
                .extended_key_usages
                .push(rcgen::ExtendedKeyUsagePurpose::ClientAuth);
            Ok((wanted.self_signed(&key)?.pem(), key.serialize_pem()))
        };
        let (certificate, key) = make().map_err(|e| e.to_string())?;
        self.write("client.key", key.as_bytes())?;
        self.write("client.crt", certificate.as_bytes())?;
        Ok((certificate.into_bytes(), key.into_bytes()))
    }
}

/// What a token holds, base64 of JSON on both daemons.
#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    fingerprint: String,
}

/// A server as its URL names it.
struct Place {
    host: String,
    port: u16,
    /// SHA-256 of its certificate, behind `#`.
    fingerprint: Option<String>,
}

/// Whether the port 443 is written in a URL; in an address such as `[fe80::443]` it is none.
fn says_443(url: &str) -> bool {
    let behind = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = behind.split(['/', '?', '#']).next().unwrap_or_default();
    place.ends_with(":443")
}

impl Place {
    /// Reads a URL.
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let url = url::Url::parse(text).map_err(|e| e.to_string())?;
        let host = url.host_str().ok_or("it names no host")?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            // Without a port the daemons' own is meant; 443 has to be written, and the url crate leaves it out.
            port: match url.port() {
                Some(port) => port,
                None if says_443(text) => 443,
                None => 8443,
            },
            fingerprint: url.fragment().map(str::to_owned),
        })
    }

    /// As text, without the hash.
    fn url(&self) -> String {
        if self.host.contains(':') {
            format!("https://[{}]:{}", self.host, self.port)
        } else {
            format!("https://{}:{}", self.host, self.port)
        }
    }

    /// The file with its pinned certificate.
    fn file(&self) -> String {
        if self.port == 8443 {
            format!("servercerts/{}.crt", self.host)
        } else {
            format!("servercerts/{}-{}.crt", self.host, self.port)
        }
    }
}

/// Connects, and becomes known where a token is given.
pub(super) async fn connect(url: &str, trust: &Trust, deadlines: Deadlines) -> Result<Lxd> {
    let place = Place::parse(url).map_err(|e| unusable(url, &e))?;
    let identity = trust.identity().map_err(|e| unusable(url, &e))?;
    let known_hash = place.fingerprint.clone().or_else(|| trust.fingerprint());
    let kept = trust
        .read(&place.file())
        .map(|pem| CertificateDer::from_pem_slice(&pem));
    let kept = kept.transpose().map_err(|e| unusable(url, &e.to_string()))?;
    let pinned = match (kept, known_hash) {
        // Who gives the hash of another one has compared it.
        (Some(kept), Some(wanted)) if !hash(&kept).eq_ignore_ascii_case(&wanted) => {
            Some(pin(&place, trust, &wanted, deadlines.question).await?)
        }
        (Some(kept), _) => Some(kept),
        (None, Some(wanted)) => Some(pin(&place, trust, &wanted, deadlines.question).await?),
        (None, None) => None,
    };
    let believed = pinned.as_ref().map(|der| hash(der));
    let config = client_config(pinned, identity).map_err(|e| unusable(url, &e))?;
    let http = client_builder(config.clone())
        .build()
        .map_err(|e| unusable(url, &e.to_string()))?;
    let transport = Transport {
        http,
        base: place.url(),
        target: Target::Https {
            host: place.host.clone(),
            port: place.port,
            tls: Arc::new(config),
        },
        relay: None,
        engine: "lxd".into(),
        deadlines,
    };
    let server = match read_server(&transport).await {
        Err(Error::Unreachable { reason, .. }) if reason.contains("certificate") => {
            return Err(disbelieved(&place, trust, believed.as_deref(), deadlines.question).await);
        }
        other => other?,
    };
    if !server.trusted && trust.token.is_some() {
        enrol(&transport, trust).await?;
    }
    Lxd::greet(transport).await
}

/// Why a server is not believed, with the hashes that a user can compare and what to type then.
async fn disbelieved(place: &Place, trust: &Trust, believed: Option<&str>, deadline: Duration) -> Error {
    let url = place.url();
    let found = match fetch(place, deadline).await {
        Ok(der) => hash(&der),
        Err(error) => return error,
    };
    let message = match believed {
        Some(known) => format!(
            "its certificate was changed, and nothing was sent to it: {known} is pinned (in {}), and it shows {found}. \
             Either it was made anew there, or somebody sits between. Compare {found} with `certificate_fingerprint` of \
             `lxc info` on that machine; where they are the same, pin it with `halolab --lxd {url}#{found} status`",
            trust.folder.join(place.file()).display()
        ),
        None => format!(
            "nobody vouches for its certificate; compare {found} with `certificate_fingerprint` of `lxc info` there, \
             then write {url}#{found}, or give a token with `--lxd-token`"
        ),
    };
    Error::Refused {
        what: format!("connect to {url}"),
        message,
    }
}

/// Fetches the server's certificate, compares its hash and keeps it.
async fn pin(
    place: &Place,
    trust: &Trust,
    wanted: &str,
    deadline: Duration,
) -> Result<CertificateDer<'static>> {
    let url = place.url();
    let found = fetch(place, deadline).await?;
    let told = hash(&found);
    if !told.eq_ignore_ascii_case(wanted) {
        return Err(Error::Refused {
            what: format!("connect to {url}"),
            message: format!(
                "its certificate is {told}, not {wanted}: this is another machine, or somebody sits between"
            ),
        });
    }
    let body = BASE64_STANDARD.encode(&found);
    let lines: Vec<String> = body
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    );
    trust
        .write(&place.file(), pem.as_bytes())
        .map_err(|e| unusable(&url, &e))?;
    Ok(found)
}

/// Only looks at the certificate of a server; nothing is sent to it.
async fn fetch(place: &Place, deadline: Duration) -> Result<CertificateDer<'static>> {
    let url = place.url();
    let look = async {
        let config = with_verifier(Pin(None)).with_no_client_auth();
        let name = ServerName::try_from(place.host.clone()).map_err(|e| e.to_string())?;
        let stream = TcpStream::connect((place.host.as_str(), place.port))
            .await
            .map_err(|e| e.to_string())?;
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await;
        let stream = stream.map_err(|e| e.to_string())?;
        let (_, session) = stream.get_ref();
        let chain = session.peer_certificates().unwrap_or_default();
        chain
            .first()
            .map(|der| der.clone().into_owned())
            .ok_or_else(|| "no certificate".to_owned())
    };
    match timeout(deadline, look).await {
        Ok(Ok(der)) => Ok(der),
        Ok(Err(reason)) => Err(unusable(&url, &reason)),
        Err(_) => Err(unusable(&url, "it did not answer in time")),
    }
}

/// SHA-256 as hexadecimal.
fn hash(der: &CertificateDer<'_>) -> String {
    hex::encode(Sha256::digest(der))
}

/// Makes our certificate known. The older daemons take the token as a password, the newer ones by its own name.
async fn enrol(transport: &Transport, trust: &Trust) -> Result<()> {
    let token = trust.token.as_deref().unwrap_or_default().trim();
    let about = About::new("trust this client's certificate", "certificate");
    let mut refusal = None;
    for key in ["trust_token", "password"] {
        let body = json!({ "type": "client", "name": "halolab", key: token });
        let ask = Ask::with(Method::POST, "/1.0/certificates", &body);
        let reply = transport.send(&ask, &about).await?;
        // Being known already is what we want.
        if reply.envelope.kind != "error" || reply.envelope.error.contains("already in trust store") {
            return Ok(());
        }
        refusal.get_or_insert_with(|| about.no(&reply.envelope.error));
    }
    Err(refusal.unwrap_or_else(|| Error::Untrusted {
        address: transport.address(),
    }))
}

/// Our TLS: ring, and HTTP/1.1 because websockets need it.
fn client_config(
    pinned: Option<CertificateDer<'static>>,
    (chain, key): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
) -> std::result::Result<ClientConfig, String> {
    let config = match pinned {
        Some(der) => with_verifier(Pin(Some(der))),
        None => builder().with_platform_verifier().map_err(|e| e.to_string())?,
    };
    let mut config = config
        .with_client_auth_cert(chain, key)
        .map_err(|e| e.to_string())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// TLS for a client that never uses it: without the system's certificates, which take long to load.
pub(super) fn plain() -> ClientConfig {
    builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

/// TLS for an image server: believed is the authority that is given as PEM, or else the system's.
pub(in crate::backend) fn of_server(certificate: Option<&str>) -> std::result::Result<ClientConfig, String> {
    let Some(pem) = certificate else {
        let config = builder().with_platform_verifier().map_err(|e| e.to_string())?;
        return Ok(config.with_no_client_auth());
    };
    let mut roots = rustls::RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let added = der
            .map_err(|e| e.to_string())
            .and_then(|der| roots.add(der).map_err(|e| e.to_string()));
        added.map_err(|e| format!("its certificate authority: {e}"))?;
    }
    Ok(builder().with_root_certificates(roots).with_no_client_auth())
}

/// The client behind every road.
pub(super) fn client_builder(config: ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .http1_only()
        .no_proxy()
        .user_agent(concat!("halolab/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(5))
}

/// Begins a configuration with ring.
fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    // The first call decides for the whole program; later ones are told so and may ignore it.
    let _ = ring::default_provider().install_default();
    ClientConfig::builder()
}

/// Begins a configuration that believes what a pin says.
fn with_verifier(pin: Pin) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_what_is_written_and_no_part_of_an_address() {
        for (url, host, port) in [
            ("https://lab", "lab", 8443),
            ("https://lab:443", "lab", 443),
            ("https://lab:443/#ab", "lab", 443),
            ("https://[fe80::443]", "fe80::443", 8443),
            ("https://[fe80::1]:443", "fe80::1", 443),
            ("https://[fe80::443]:9000", "fe80::443", 9000),
        ] {
            let place = Place::parse(url).unwrap();
            assert_eq!((place.host.as_str(), place.port), (host, port), "{url}");
        }
    }
}
