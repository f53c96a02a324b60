//! Why a daemon did not do what it was asked, and what the user can do about it.

use std::time::Duration;

use crate::log::sanitize::is_hidden;

/// An engine's no. The text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No daemon was found where we looked.
    #[error("no LXD or Incus was found (looked at {}); run `halolab` to install one, or name it with `--lxd SOCKET`", looked.join(", "))]
    NotFound {
        /// The places.
        looked: Vec<String>,
    },
    /// What was named is neither a socket nor an address that we can speak to.
    #[error(
        "`{given}` names no LXD or Incus; allowed: a socket (`/var/lib/lxd/unix.socket`, or `unix:` before it), its \
         folder, or `https://HOST:8443`"
    )]
    Address {
        /// As it was given, sanitised.
        given: String,
    },
    /// No engine that speaks Docker's API was found.
    #[error(
        "no Docker or Podman was found (looked at {}); install one, or name its socket with `--docker SOCKET`",
        looked.join(", ")
    )]
    NoDocker {
        /// The places.
        looked: Vec<String>,
    },
    /// What was named is no address of Docker that we can speak to.
    #[error(
        "`{given}` names no Docker; allowed: a socket (`/run/docker.sock`, or `unix://` before it) or `tcp://HOST:PORT`. \
         An engine behind ssh: `ssh -nNT -L /tmp/docker.sock:/run/docker.sock HOST`, then name that socket"
    )]
    DockerAddress {
        /// As it was given, sanitised.
        given: String,
    },
    /// The engine of this machine is installed and does not run, as after a restart without systemd.
    #[error(
        "{engine} is installed here and does not run (nobody answers at {address}); start it with `halolab start`"
    )]
    Asleep {
        /// `LXD`, `Incus`.
        engine: String,
        /// Socket.
        address: String,
    },
    /// Nobody answers on the socket.
    #[error(
        "no answer from {engine} at {address}: {reason}; {}",
        start_hint(engine, address, reason)
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
        "{address} may not be used by this user; run as root, or join its group (`sudo usermod -aG {group} $USER`), whose members \
         are as good as root on this machine"
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
    /// An image is another one than was announced or pinned.
    #[error(
        "the image {image} has the fingerprint {found}, and {} was expected; it was not kept, and nothing was made of it. A \
         server may be in the middle of an update: try again in a while with `halolab runs resume`; if it stays so, choose \
         another image (`--set image=…`)",
        some(expected)
    )]
    Fingerprint {
        /// The image.
        image: String,
        /// SHA-256 of what came.
        found: String,
        /// What was announced or pinned.
        expected: Vec<String>,
    },
    /// The daemon took longer than the call may take.
    #[error("{engine} did not answer within {} s while it was asked to {what}; nothing more was sent. It may be busy: look at `halolab status`, and at its log where that does not help", after.as_secs())]
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
    /// The instance is a record without a volume.
    #[error(
        "instance `{name}` is only a record: its volume is missing, because a daemon died while the instance was made; remove what is left with `{repair}`, then make it anew"
    )]
    Wreck {
        /// The instance.
        name: String,
        /// The command that removes it.
        repair: String,
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

/// What starts a daemon that was named and does not answer, on this machine as it is.
fn start_hint(engine: &str, address: &str, reason: &str) -> String {
    // What the system says of a socket whose queue of callers is full.
    if reason.contains("temporarily unavailable") {
        return format!(
            "{engine} runs and takes no more callers now: it hangs, or has very much to do; try again in a moment"
        );
    }
    if matches!(engine, "docker" | "podman") {
        return docker_hint(engine, address);
    }
    if address.starts_with("https://") {
        return format!(
            "is {engine} running there, does it listen (`{} config get core.https_address`), does a firewall let \
             this machine through?",
            if engine == "incus" { "incus" } else { "lxc" }
        );
    }
    let folder = std::path::Path::new(address).parent();
    if folder.is_some_and(|folder| matches!(folder.try_exists(), Ok(false))) {
        return "is the path right? there is no such folder; name the socket by `--lxd SOCKET`, `LXD_SOCKET` or `LXD_DIR`, or none of \
                them for the usual places"
            .into();
    }
    // A daemon that was stopped in good order takes its socket away.
    let path = if reason.contains("No such file") {
        "is the path right? if so, "
    } else {
        ""
    };
    let systemd = std::path::Path::new("/run/systemd/system").exists();
    format!("{path}{}", hint_here(engine, address, systemd))
}

/// The same for an engine that speaks Docker's API.
fn docker_hint(engine: &str, address: &str) -> String {
    if !address.starts_with("unix://") {
        return format!(
            "is {engine} running there, does it listen, does a firewall let this machine through?"
        );
    }
    let (unit, program) = if address.contains("podman") {
        ("podman.socket", "podman system service --time=0")
    } else {
        ("docker", "dockerd")
    };
    format!(
        "is its service running? try `sudo systemctl start {unit}`, or `sudo setsid -f {program}` without systemd; another \
         socket is named by `--docker SOCKET` or `DOCKER_HOST`"
    )
}

fn hint_here(engine: &str, address: &str, systemd: bool) -> String {
    if systemd {
        return format!("is its service running? try `sudo systemctl start {engine}`, then `halolab status`");
    }
    let (program, variable) = match engine {
        "incus" => ("incusd", "INCUS_DIR"),
        _ => ("lxd", "LXD_DIR"),
    };
    let folder = address.strip_suffix("/unix.socket").unwrap_or("FOLDER");
    format!(
        "it does not run, and without systemd nothing starts it again: `halolab start` (without `--lxd`) starts this \
         machine's own; one in a folder of its own is started as root with `{variable}={folder} setsid -f {program}`"
    )
}

/// Longest text of a daemon that goes into an error, in characters.
const LONGEST: usize = 500;

/// Makes a daemon's text fit for an error: no control or direction characters, lines that end in
/// the same words told once, at most 500 characters with the start and the end kept. (Measured: a
/// full pool makes LXD answer 62,634 characters, 791 times "No space left on device".)
pub fn fold(text: &str) -> String {
    let mut seen = std::collections::BTreeSet::new();
    let mut told: Vec<String> = vec![];
    let mut repeats = 0_usize;
    for line in text.lines() {
        let line: String = line.chars().map(plain).collect();
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let reason = line.rsplit(": ").next().unwrap_or(line).to_owned();
        if seen.insert(reason) {
            told.push(line.to_owned());
        } else {
            repeats += 1;
        }
    }
    let mut text = cap(&told.join("; "));
    if repeats > 0 {
        text = format!("{text} (and {repeats} more like it)");
    }
    text
}

/// Keeps the start and the end of a text that is too long.
fn cap(text: &str) -> String {
    let length = text.chars().count();
    if length <= LONGEST - 40 {
        return text.to_owned();
    }
    let head: String = text.chars().take(300).collect();
    let tail: String = text.chars().skip(length - 150).collect();
    format!("{head} … {tail}")
}

/// The first few of a list.
fn some(list: &[String]) -> String {
    let shown: Vec<&str> = list.iter().take(3).map(String::as_str).collect();
    let more = if list.len() > 3 { ", or an older one" } else { "" };
    format!("{}{more}", shown.join(" or "))
}

/// A character as an error may show it.
fn plain(c: char) -> char {
    match c {
        c if c.is_control() => ' ',
        // A name must not look like another one.
        c if is_hidden(c) => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::{fold, hint_here, start_hint};

    #[test]
    fn a_socket_in_no_folder_is_a_wrong_name_and_not_a_daemon_to_start() {
        let said = start_hint("lxd", "/nowhere/at/all/unix.socket", "No such file or directory");
        assert!(
            said.contains("no such folder") && !said.contains("setsid"),
            "{said}"
        );
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("unix.socket");
        let said = start_hint("lxd", there.to_str().unwrap(), "No such file or directory");
        assert!(said.starts_with("is the path right?"), "{said}");
    }

    #[test]
    fn the_hint_to_start_a_daemon_is_one_that_works_here() {
        assert!(hint_here("lxd", "/x/unix.socket", true).contains("sudo systemctl start lxd"));
        let without = hint_here("incus", "/x/unix.socket", false);
        assert!(without.contains("`INCUS_DIR=/x setsid -f incusd`"), "{without}");
        assert!(!without.contains("systemctl"), "{without}");
    }

    #[test]
    fn a_full_pool_is_told_once() {
        let mut text = String::from("Failed to unpack: Process exited with value 2 (");
        for n in 0..791 {
            text = format!("{text}tar: rootfs/usr/lib/{n}.h: Cannot write: No space left on device\n");
        }
        text.push_str("tar: Exiting with failure status due to previous errors)");
        let folded = fold(&text);
        assert_eq!(folded.matches("No space left on device").count(), 1, "{folded}");
        assert!(
            folded.contains("Failed to unpack") && folded.contains("790 more"),
            "{folded}"
        );
    }

    #[test]
    fn a_long_text_keeps_both_ends_and_no_control_character() {
        let text = format!("start\u{1b}[31m{}\u{202e}the reason", "x".repeat(9000));
        let folded = fold(&text);
        assert!(folded.chars().count() <= 500, "{}", folded.len());
        assert!(
            folded.starts_with("start [31m") && folded.ends_with("the reason"),
            "{folded}"
        );
        assert!(!folded.chars().any(|c| c.is_control() || c == '\u{202e}'));
    }
}
