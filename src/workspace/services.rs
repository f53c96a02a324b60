//! What is done with the services of a workspace that is there: ask how they are, read what they wrote, begin one anew.
//!
//! It is asked and done inside, as root, by a short command; nothing of it needs the workspace's user.

pub mod settle;

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use super::{
    Ledger, Settings, User, ports,
    probe::{ASK, DEADLINE, Health, Inside, Report, Target, judge, probe},
    spec,
};
use crate::backend::{Backend, Error, ExecSpec, Output, Progress};

/// How long supervisor may take to say how its programs are.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long programs may take to end and to begin: supervisor itself waits 25 s for the engine inside.
const RESTART: Duration = Duration::from_mins(3);
/// Bytes of an answer that are read.
const MOST: usize = 64 * 1024;
/// Where supervisor writes inside.
const FOLDER: &str = "/var/log/workspace";
/// What the script below ends with where there is no log.
const NOTHING: i32 = 66;

/// A service by its name in `WS_SERVICES`, the programs of supervisor that it is made of in the order in which they begin,
/// and what of a user's work ends when it is begun anew (empty where nothing does).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The service.
    pub service: &'static str,
    /// Its programs; each writes the log of its name.
    pub programs: &'static [&'static str],
    /// What ends with it.
    pub ends: &'static str,
}

/// All of them; `packages` is what puts a user's own packages back, and no service.
pub const ALL: [Parts; 9] = [
    parts("ssh", &["ssh"], ""),
    parts(
        "vnc",
        &["vnc", "desktop"],
        "programs on the screen, with what is not saved in them",
    ),
    parts("novnc", &["novnc"], ""),
    parts("code", &["code"], "terminals in the editor"),
    parts("jupyter", &["jupyter"], "kernels and terminals of Jupyter"),
    parts("tensorboard", &["tensorboard", "tensorboard-door"], ""),
    parts(
        "rdp",
        &["rdp-sesman", "rdp"],
        "programs of sessions over RDP, with what is not saved in them",
    ),
    parts("dind", &["dind"], "containers of the engine inside"),
    parts("packages", &["packages"], ""),
];

const fn parts(service: &'static str, programs: &'static [&'static str], ends: &'static str) -> Parts {
    Parts {
        service,
        programs,
        ends,
    }
}

/// A service by its name.
pub fn named(service: &str) -> Option<Parts> {
    ALL.into_iter().find(|parts| parts.service == service)
}

/// The names of all services whose logs there may be, for messages.
pub fn names() -> String {
    ALL.map(|parts| parts.service).join(", ")
}

/// The services that a user's workspace is to have, by name.
pub fn wanted(user: &User) -> Vec<&'static str> {
    let services = user.services.iter().map(|service| service.name());
    services.chain(user.docker.then_some("dind")).collect()
}

/// Where a user's services are reached.
pub fn targets(settings: &Settings, ledger: &Ledger, name: &str, user: &User) -> Vec<Target> {
    let address = match settings.bind_of(user) {
        IpAddr::V4(all) if all.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(all) if all.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    let slot = ledger.slot(name);
    let target = |service: &ports::Service| {
        let port = ports::port(settings, slot?, *service)?;
        Some(Target {
            protocol: *service,
            address: SocketAddr::new(address, port),
        })
    };
    user.services.iter().filter_map(target).collect()
}

/// How the services of a user are, asked inside and at their ports, both at once. Never fails: what cannot be asked is said
/// in the reports.
pub async fn reports(
    backend: &dyn Backend,
    (settings, ledger): (&Settings, &Ledger),
    (name, user): (&str, &User),
) -> Vec<Report> {
    let lab = spec::lab(name);
    let targets = targets(settings, ledger, name, user);
    let (inside, probed) = tokio::join!(inside(backend, &lab), probe(&targets, DEADLINE));
    judge(&lab, &wanted(user), &inside, &probed)
}

/// The services that answer, by name.
pub fn answering(reports: &[Report]) -> BTreeSet<String> {
    let up = reports
        .iter()
        .filter(|report| matches!(report.health, Health::Up | Health::Warning));
    up.map(|report| report.service.clone()).collect()
}

/// What supervisor says of the programs of a workspace.
pub async fn inside(backend: &dyn Backend, lab: &str) -> Inside {
    match ask(backend, lab, &ASK, PATIENCE).await {
        Ok((_, said)) => Inside::read(&said),
        Err(why) => Inside::away(&why),
    }
}

/// A short command as root inside: its code, and what it wrote, bounded.
async fn ask(
    backend: &dyn Backend,
    lab: &str,
    argv: &[&str],
    patience: Duration,
) -> Result<(i32, Vec<u8>), String> {
    let spec = command(argv);
    let mut said = vec![];
    let mut take = |_: u8, bytes: &[u8]| {
        let room = MOST.saturating_sub(said.len());
        said.extend(bytes.iter().take(room));
    };
    let progress = Progress::default();
    let ran = backend.exec(lab, &spec, &mut take, &progress);
    match tokio::time::timeout(patience, ran).await {
        Ok(Ok(code)) => Ok((code, said)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", patience.as_secs())),
    }
}

fn command(argv: &[&str]) -> ExecSpec {
    ExecSpec {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        ..ExecSpec::default()
    }
}

/// Begins the programs of a service anew, and says what supervisor said. Whether the service answers then is another
/// question: [`reports`].
///
/// # Errors
/// Why it could not be asked of supervisor, in words that are safe to show.
pub async fn restart(backend: &dyn Backend, lab: &str, service: Parts) -> Result<String, String> {
    let inside = inside(backend, lab).await;
    let known = |program: &&&str| inside.program(program).is_some();
    let programs: Vec<&str> = service.programs.iter().filter(known).copied().collect();
    if programs.is_empty() {
        return Err(match &inside.trouble {
            Some(trouble) => format!("supervisor cannot be asked: {trouble}"),
            None => format!(
                "this workspace was started without it; `halolab workspace status {}` says with what",
                spec::user_of(lab).unwrap_or(lab)
            ),
        });
    }
    let argv = [&["/usr/bin/supervisorctl", "restart"], programs.as_slice()].concat();
    let (_, said) = ask(backend, lab, &argv, RESTART).await?;
    let said = String::from_utf8_lossy(&said);
    Ok(crate::log::sanitize_text(said.trim()))
}

/// What of the logs is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logs {
    /// Of one service; none is of all.
    pub service: Option<Parts>,
    /// So many lines from the end of each.
    pub lines: u32,
    /// And then what comes, until it is cancelled.
    pub follow: bool,
}

/// Supervisor keeps the log of each program, and one of before. Several have a heading each, as `tail` writes it.
const READ: &str = r#"
lines=$1 follow=$2
cd "$3" 2>/dev/null || exit 66
shift 3
if [ $# = 0 ]; then
  for file in *.log; do set -- "$@" "${file%.log}"; done
fi
there=0
for name; do
  shift
  [ -f "$name.log" ] || continue
  there=$((there + 1))
  set -- "$@" "$name"
done
[ "$there" -gt 0 ] || exit 66
if [ "$follow" = yes ]; then
  for name; do
    shift
    set -- "$@" "$name.log"
  done
  exec tail -n "$lines" -F "$@"
fi
blank=
for name; do
  [ "$there" = 1 ] || printf '%s==> %s.log <==\n' "$blank" "$name"
  blank='
'
  before=
  [ ! -f "$name.log.1" ] || before=$name.log.1
  cat $before "$name.log" | tail -n "$lines"
done
"#;

/// Hands out what services wrote, byte by byte as it is: it is not sanitised. False where nothing was written yet.
///
/// # Errors
/// The engine's, or that it was cancelled.
pub async fn logs(
    backend: &dyn Backend,
    lab: &str,
    wanted: Logs,
    output: Output<'_>,
    progress: &Progress,
) -> Result<bool, Error> {
    let lines = wanted.lines.to_string();
    let follow = if wanted.follow { "yes" } else { "no" };
    let programs = wanted.service.map_or(&[][..], |parts| parts.programs);
    let argv = [&["/bin/sh", "-c", READ, "sh", &lines, follow, FOLDER], programs].concat();
    let code = backend.exec(lab, &command(&argv), output, progress).await?;
    Ok(code != NOTHING)
}

/// The last lines of a service's log, bounded and safe to show; empty where there are none, or they cannot be read.
pub async fn last_lines(backend: &dyn Backend, lab: &str, service: Parts, lines: u32) -> String {
    let mut bytes = vec![];
    let mut take = |_: u8, piece: &[u8]| {
        bytes.extend_from_slice(piece);
        let more = bytes.len().saturating_sub(MOST);
        bytes.drain(..more);
    };
    let wanted = Logs {
        service: Some(service),
        lines,
        follow: false,
    };
    let progress = Progress::default();
    let read = logs(backend, lab, wanted, &mut take, &progress);
    let _ = tokio::time::timeout(PATIENCE, read).await;
    crate::log::sanitize_text(String::from_utf8_lossy(&bytes).trim_end())
}

#[cfg(test)]
mod tests;
