//! Waiting until the services of workspaces answer, and what is said of those that do not.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::{
    backend::{Backend, Progress, docker::Docker},
    workspace::{
        probe::Report,
        services::{
            self,
            settle::{Patience, Settled, Waiting, is_well, not_from_here, settle, unwell},
        },
        spec,
    },
};

use super::{
    super::{
        Code, Setup, Stop,
        table::{foreign_json, note},
    },
    Ground, health,
};

/// Bytes of what a container wrote that are read.
const MOST: usize = 64 << 10;
/// Lines of a log that are shown with a service that does not come up.
pub(super) const LAST: u32 = 15;

/// The services of a user that answer now.
pub(super) async fn answering(setup: &Setup, ground: &Ground, name: &str) -> Result<BTreeSet<String>, Stop> {
    let reports = health::reports(setup, ground, name, ground.user(name)?).await;
    Ok(services::answering(&reports))
}

/// Waits for the services of a user. None where they cannot be asked from here: the engine is another machine's.
pub(super) async fn wait(
    setup: &Setup,
    ground: &Ground,
    name: &str,
    needed: BTreeSet<String>,
) -> Result<Option<Settled>, Stop> {
    let user = ground.user(name)?;
    let backend = setup.docker().await.map_err(Stop::blocked)?;
    let server = backend.server().await?;
    if let Some(why) = not_from_here(&server, &ground.settings, (name, user)) {
        note(&why);
        return Ok(None);
    }
    let quiet = setup.global.quiet || setup.global.json;
    let mut told = String::new();
    let mut tell = |reports: &[Report]| {
        let open = unwell(reports);
        if !quiet && !open.is_empty() && open != told {
            note(&format!("{name}: waiting for {open}"));
            told = open;
        }
    };
    let settled = settle(
        backend.as_ref(),
        (&ground.settings, &ground.ledger),
        (name, user),
        Waiting::new(Patience::default(), needed.clone()),
        &mut tell,
    )
    .await;
    if let Some(why) = &settled.failed {
        failed(backend.as_ref(), name, &settled, (&needed, why)).await;
    } else if !quiet {
        note(&format!(
            "{name}: all services answer, after {:.1} s",
            settled.took.as_secs_f32()
        ));
    }
    if setup.global.json {
        foreign_json(&serde_json::json!({
            "v": 1, "user": name, "well": settled.failed.is_none(), "why": settled.failed, "services": settled.reports,
            "milliseconds": u64::try_from(settled.took.as_millis()).unwrap_or(u64::MAX),
        }))?;
    }
    Ok(Some(settled))
}

/// Which services are not up, and the end of what each wrote.
async fn failed(
    backend: &dyn Backend,
    name: &str,
    settled: &Settled,
    (needed, why): (&BTreeSet<String>, &str),
) {
    note(&format!("{name}: {why}"));
    let lab = spec::lab(name);
    let mut any = false;
    for report in settled.reports.iter().filter(|report| !is_well(report, needed)) {
        note(&format!("  {}: {}", report.service, report.words));
        let Some(parts) = services::named(&report.service) else {
            continue;
        };
        let last = services::last_lines(backend, &lab, parts, LAST).await;
        if !last.is_empty() {
            any = true;
            note(&format!("  its log ends with:\n{last}"));
        }
    }
    if !any {
        let last = container(backend, &lab).await;
        if !last.is_empty() {
            note(&format!("  what the container wrote ends with:\n{last}"));
        }
    }
}

/// The last lines of a container's first process, which are there also when it does not run.
async fn container(backend: &dyn Backend, lab: &str) -> String {
    let read = async {
        let address = backend.server().await.ok()?.address;
        let docker = Docker::connect_to(&address).await.ok()?;
        let mut bytes = vec![];
        let mut take = |_: u8, piece: &[u8]| {
            let room = MOST.saturating_sub(bytes.len());
            bytes.extend(piece.iter().take(room));
        };
        let wanted = (Some(LAST), false);
        docker
            .logs(lab, wanted, &mut take, &Progress::default())
            .await
            .ok()?;
        Some(bytes)
    };
    let bytes = read.await.unwrap_or_default();
    crate::log::sanitize_text(String::from_utf8_lossy(&bytes).trim_end())
}

/// Waits for the services of several users at once; fails where one of them does not come up.
pub(super) async fn all(setup: &Setup, ground: &Ground, users: &[String]) -> Result<Code, Stop> {
    let waits = users
        .iter()
        .map(|name| wait(setup, ground, name, BTreeSet::new()));
    let mut code = Code::OK;
    for (name, settled) in users.iter().zip(join_all(waits).await) {
        if settled?.is_some_and(|settled| settled.failed.is_some()) {
            code = Code::FAILED;
            note(&format!(
                "{name} has a workspace, and not all of its services: `halolab workspace status {name}` says more, \
                 `halolab workspace restart {name} SERVICE` begins one anew"
            ));
        }
    }
    Ok(code)
}
