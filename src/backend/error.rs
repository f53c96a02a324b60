//! Why a daemon did not do what it was asked, and what the user can do about it.

use std::time::Duration;

/// An engine's no. The text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No daemon was found where we looked.
    #[error("no LXD or Incus was found (looked at {}); run `halolab` to install one, or name it with `--lxd SOCKET`", looked.join(", "))]
    NotFound {
        /// The places.
        looked: Vec<String>,
    },
    /// Nobody answers on the socket.
    #[error(
        "no answer from {engine} at {address}: {reason}; is its service running? try `systemctl start {engine}`, then `halolab status`"
    )]
    Unreachable {
        /// `lxd`, `incus`, `docker`.
        engine: String,
        /// Socket or URL.
        address: String,
        /// The system's words.
        reason: String,
    },
    /// The socket is there and we may not use it.
    #[error(
        "{address} may not be used by this user; join its group (`sudo usermod -aG {group} $USER`, then log in again) or run as root"
    )]
    Permission {
        /// Socket.
        address: String,
        /// The socket's group.
        group: String,
    },
    /// The daemon does not trust our client certificate.
    #[error(
        "{address} does not trust this client certificate; on that machine run `lxc config trust add`, then give the token with `--lxd-token`"
    )]
    Untrusted {
        /// URL.
        address: String,
    },
    /// The daemon took longer than the call may take.
    #[error("{engine} did not answer within {} s while it was asked to {what}; nothing more was sent, see `halolab status`", after.as_secs())]
    Timeout {
        /// `lxd`, `incus`.
        engine: String,
        /// As in "asked to {what}".
        what: String,
        /// The deadline.
        after: Duration,
    },
    /// The daemon went away in the middle; the state must be read again before anything else.
    #[error(
        "{engine} went away while it was asked to {what}: {reason}; look at `halolab status` before you go on"
    )]
    Lost {
        /// `lxd`, `incus`.
        engine: String,
        /// As in "asked to {what}".
        what: String,
        /// The system's words.
        reason: String,
    },
    /// There is no such object.
    #[error("there is no {what}")]
    Missing {
        /// As in "there is no snapshot `clean` of `ai-lab`".
        what: String,
    },
    /// The name is taken.
    #[error("{what} exists already")]
    Exists {
        /// As in "instance `ai-lab` exists already".
        what: String,
    },
    /// The daemon answered no.
    #[error("failed to {what}: {message}")]
    Refused {
        /// As in "failed to {what}".
        what: String,
        /// The daemon's words, folded and sanitised.
        message: String,
    },
    /// The user stopped it; the daemon's operation was stopped too.
    #[error("stopped by the user while it was asked to {what}")]
    Cancelled {
        /// As in "asked to {what}".
        what: String,
    },
    /// A local file could not be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The daemon's answer makes no sense.
    #[error("{engine} answered something unexpected to {what}: {reason}")]
    Protocol {
        /// `lxd`, `incus`.
        engine: String,
        /// The request.
        what: String,
        /// Where it went wrong, sanitised.
        reason: String,
    },
}
