//! The road to a daemon: HTTP/1.1 over a unix socket or TLS, websockets beside it, a deadline on everything.

use std::{io::ErrorKind, path::PathBuf, sync::Arc, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};

pub(super) use crate::backend::about::About;

use super::{deadlines::Deadlines, locate::socket_group, wire::Envelope};
use crate::{
    backend::{Error, Result, error::fold},
    host::membership::Relay,
};

/// Pause before a request is sent again.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// What stays as it is in a path segment: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A name as one segment of a path.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// Where the daemon listens.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A socket of this machine.
    Unix(PathBuf),
    /// A host, its port, and how to prove who it and we are.
    Https {
        host: String,
        port: u16,
        tls: Arc<rustls::ClientConfig>,
    },
}

/// A request.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) body: Option<&'a Value>,
    /// Only if the object still has this tag.
    pub(super) etag: Option<&'a str>,
    /// Instead of its kind's own.
    pub(super) deadline: Option<Duration>,
    /// So long the daemon is silent where all is well.
    pub(super) silence: Duration,
}

impl<'a> Ask<'a> {
    /// A request without a body.
    pub(super) fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            body: None,
            etag: None,
            deadline: None,
            silence: Duration::ZERO,
        }
    }

    /// With a JSON body.
    pub(super) fn with(method: Method, path: &'a str, body: &'a Value) -> Self {
        Self {
            body: Some(body),
            ..Self::new(method, path)
        }
    }
}

/// An answer, whether yes or no.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) etag: Option<String>,
    pub(super) envelope: Envelope,
}

/// Logs a call. Never its body nor its query, which can hold secrets.
fn log(ask: &Ask<'_>, status: StatusCode) {
    let path = ask.path.split('?').next().unwrap_or_default();
    let (method, status) = (ask.method.as_str(), status.as_u16());
    if ask.method == Method::GET {
        tracing::trace!(method, path, status, "daemon");
    } else {
        tracing::debug!(method, path, status, "daemon");
    }
}

/// What an error comes from, the nearest cause first.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
}

/// What the system said.
fn system_error(error: &reqwest::Error) -> Option<ErrorKind> {
    causes(error).find_map(|cause| Some(cause.downcast_ref::<std::io::Error>()?.kind()))
}

/// The road to one daemon.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    pub(super) http: reqwest::Client,
    pub(super) base: String,
    pub(super) target: Target,
    /// What stands between us and the socket, where this process may not use it itself.
    pub(super) relay: Option<Arc<Relay>>,
    /// `lxd` or `incus`, for the texts of errors.
    pub(super) engine: String,
    /// How long it may keep us waiting.
    pub(super) deadlines: Deadlines,
}

impl Transport {
    /// The socket's path or the URL.
    pub(super) fn address(&self) -> String {
        match &self.target {
            Target::Unix(path) => self
                .relay
                .as_ref()
                .map_or(path.as_path(), |relay| relay.of())
                .display()
                .to_string(),
            Target::Https { host, port, .. } => format!("https://{host}:{port}"),
        }
    }

    /// Asks, and reads a yes as `T`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, about: &About) -> Result<T> {
        self.get_tagged(path, about).await.map(|(value, _)| value)
    }

    /// Asks, and reads a yes as `T` with its `ETag`.
    pub(super) async fn get_tagged<T: DeserializeOwned>(
        &self,
        path: &str,
        about: &About,
    ) -> Result<(T, Option<String>)> {
        let reply = self.ask(&Ask::new(Method::GET, path), about).await?;
        let raw = reply.envelope.metadata.as_deref().map_or("null", |m| m.get());
        let value = serde_json::from_str(raw).map_err(|e| self.protocol(about, &e.to_string()))?;
        Ok((value, reply.etag))
    }

    /// Asks; a no is an error.
    pub(super) async fn ask(&self, ask: &Ask<'_>, about: &About) -> Result<Reply> {
        let reply = self.send(ask, about).await?;
        if reply.envelope.kind != "error" {
            return Ok(reply);
        }
        if reply.status == StatusCode::FORBIDDEN {
            return Err(Error::Untrusted {
                address: self.address(),
            });
        }
        Err(about.refused(reply.envelope.error_code, &reply.envelope.error))
    }

    /// Asks; a no is an answer too. A daemon that is starting, or whose socket has no room for one caller more, is asked
    /// again until the deadline; a question that was lost on the way is asked once more, a change never is.
    pub(super) async fn send(&self, ask: &Ask<'_>, about: &About) -> Result<Reply> {
        let deadline = ask.deadline.unwrap_or_else(|| self.deadlines.of(&ask.method));
        let end = Instant::now() + deadline;
        let tries = self.tries(ask, about, end);
        self.answer(about, (deadline, ask.silence), tries).await?
    }

    /// As often as it takes.
    async fn tries(&self, ask: &Ask<'_>, about: &About, end: Instant) -> Result<Reply> {
        let mut may_repeat = ask.method == Method::GET;
        loop {
            let answer = match self.once(ask).await {
                Err(error) if error.is_connect() && system_error(&error) == Some(ErrorKind::WouldBlock) => {
                    sleep(PAUSE).await;
                    continue;
                }
                Err(error) if may_repeat && !error.is_connect() => {
                    tracing::debug!(error = %error.without_url(), "asking again");
                    may_repeat = false;
                    continue;
                }
                Err(error) => return Err(self.failed(about, &error)),
                Ok(answer) => answer,
            };
            let (status, etag, bytes) = answer;
            let envelope: Envelope =
                serde_json::from_slice(&bytes).map_err(|e| self.protocol(about, &e.to_string()))?;
            if !matches!(envelope.kind.as_str(), "sync" | "async" | "error") {
                return Err(self.protocol(about, "not an answer of LXD or Incus"));
            }
            if status == StatusCode::SERVICE_UNAVAILABLE {
                // Nothing was done: the daemon refuses everything until it is ready.
                if !envelope.error.contains("shutting down") && Instant::now() + PAUSE < end {
                    sleep(PAUSE).await;
                    continue;
                }
                return Err(self.unreachable(&envelope.error));
            }
            log(ask, status);
            return Ok(Reply {
                status,
                etag,
                envelope,
            });
        }
    }

    /// One try.
    async fn once(
        &self,
        ask: &Ask<'_>,
    ) -> std::result::Result<(StatusCode, Option<String>, Vec<u8>), reqwest::Error> {
        let mut request = self
            .http
            .request(ask.method.clone(), format!("{}{}", self.base, ask.path));
        if let Some(body) = ask.body {
            request = request.json(body);
        }
        if let Some(etag) = ask.etag {
            request = request.header(reqwest::header::IF_MATCH, etag);
        }
        let response = request.send().await?;
        let status = response.status();
        let etag = response.headers().get(reqwest::header::ETAG);
        let etag = etag.and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        Ok((status, etag, response.bytes().await?.to_vec()))
    }

    /// Why a try failed.
    pub(super) fn failed(&self, about: &About, error: &reqwest::Error) -> Error {
        if system_error(error) == Some(ErrorKind::PermissionDenied)
            && let Target::Unix(path) = &self.target
        {
            return Error::Permission {
                address: self.address(),
                group: socket_group(path),
            };
        }
        let reason = causes(error)
            .last()
            .map_or_else(|| error.to_string(), ToString::to_string);
        if error.is_connect() {
            self.unreachable(&reason)
        } else {
            self.lost(about, &reason)
        }
    }

    /// Nobody answers.
    pub(super) fn unreachable(&self, reason: &str) -> Error {
        Error::Unreachable {
            engine: self.engine.clone(),
            address: self.address(),
            reason: fold(reason),
        }
    }

    /// The daemon went away.
    pub(super) fn lost(&self, about: &About, reason: &str) -> Error {
        Error::Lost {
            engine: self.engine.clone(),
            what: about.what.clone(),
            reason: fold(reason),
        }
    }

    /// It took too long.
    pub(super) fn timeout(&self, about: &About, after: Duration) -> Error {
        Error::Timeout {
            engine: self.engine.clone(),
            what: about.what.clone(),
            after,
        }
    }

    /// It makes no sense.
    pub(super) fn protocol(&self, about: &About, reason: &str) -> Error {
        Error::Protocol {
            engine: self.engine.clone(),
            what: about.what.clone(),
            reason: fold(reason),
        }
    }
}
