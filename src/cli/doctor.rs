//! `halolab doctor`: what is wrong with this machine, and how to mend it.

use std::path::{Path, PathBuf};

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::{
    backend::lxd::address_of,
    host::{Finding, Severity, boot::mend, docker::Choice, findings::engine_socket, firewall},
    log::sanitize_text,
    run::receipt::Open,
};

use super::{
    Code, Global, Setup, Stop,
    table::{foreign_json, note, out},
    tune::{self, TuneArgs},
};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Mend this finding.
    #[arg(long, value_name = "ID")]
    fix: Option<String>,
    /// Take back a change of the boot configuration; the newest one where none is named.
    #[arg(long, value_name = "CHANGE", num_args = 0..=1, default_missing_value = "", conflicts_with = "fix")]
    undo: Option<String>,
    #[command(flatten)]
    tune: TuneArgs,
    /// Look at this folder instead of /: a tree of files, or a captured host. No engine is asked then.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

pub(super) async fn doctor(global: Global, args: DoctorArgs) -> Result<Code, Stop> {
    let root = args.root.as_deref().unwrap_or_else(|| Path::new("/"));
    if let Some(change) = &args.undo {
        return tune::undo(&Setup::load(global)?, change, root, &args.tune).await;
    }
    let engine = address_of(global.lxd.as_deref());
    let report = super::detect::look(args.root.as_deref(), &engine).await?;
    let (mut findings, machine) = (report.judgement.findings, report.machine);
    let usual = super::detect::passing(
        &machine,
        args.root.as_deref(),
        &Choice::These(vec!["nvidia".to_owned()]),
        None,
    )
    .await;
    findings.extend(usual.ok().and_then(|passing| passing.finding(&machine)));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    mend::say(&mut findings, &machine.kernel);
    if args.root.is_some() && args.fix.is_none() {
        return show(&global, &findings, &tune::open(root)?);
    }
    let setup = Setup::load(global)?;
    if let Some(id) = &args.fix {
        if let Some(found) = findings.iter().find(|f| f.id == *id)
            && let Some(code) = tune::fix(&setup, found, &machine, root, &args.tune).await?
        {
            return Ok(code);
        }
        if args.root.is_some() {
            return fix(&setup, (id, &args.tune), &findings, &[]).await;
        }
        let (others, bridges) = look(&setup).await?;
        findings.extend(others);
        return fix(&setup, (id, &args.tune), &findings, &bridges).await;
    }
    // What the hardware says is worth as much while the engine is down.
    match look(&setup).await {
        Ok((others, _)) => findings.extend(others),
        Err(stop) => {
            let why = "Without it no lab can be looked at, started or made.";
            findings.push(Finding::new("engine.unreachable", Severity::Fail, stop.text, why));
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    show(&setup.global, &findings, &tune::open(root)?)
}

/// Prints findings and open changes; the code says whether a finding fails.
fn show(global: &Global, findings: &[Finding], changes: &[Open]) -> Result<Code, Stop> {
    if global.json {
        let changes: Vec<_> = changes.iter().map(Open::document).collect();
        foreign_json(&serde_json::json!({"v": 1, "findings": findings, "changes": changes}))?;
    } else {
        if findings.is_empty() {
            out("nothing found that is wrong");
        }
        for finding in findings {
            out(&text(finding));
        }
        if !changes.is_empty() {
            out("\nchanged by halolab:");
        }
        for change in changes {
            out(&tune::line(change));
        }
    }
    let broken = findings.iter().any(|f| f.severity == Severity::Fail);
    Ok(if broken { Code::FAILED } else { Code::OK })
}

/// Findings, and the bridges of the labs.
async fn look(setup: &Setup) -> Result<(Vec<Finding>, Vec<String>), Stop> {
    let world = setup.world_or_asleep(&[]).await?;
    let bridges: Vec<String> = world
        .networks
        .iter()
        .filter(|n| n.managed)
        .map(|n| n.name.clone())
        .collect();
    let mut findings = vec![];
    if let Some(engine) = &world.asleep {
        let seen = format!("{engine} is installed and does not run");
        let stopped = Finding::new("engine.stopped", Severity::Fail, seen, "No lab runs without it.");
        findings.push(stopped.fix("halolab start"));
        return Ok((findings, bridges));
    }
    let Some(server) = &world.server else {
        findings.push(
            Finding::new(
                "engine.missing",
                Severity::Warn,
                "there is no LXD or Incus yet",
                "Labs are containers of one of them.",
            )
            .fix("halolab installs one when it makes the first lab"),
        );
        return Ok((findings, bridges));
    };
    for bridge in &bridges {
        match firewall::check(&server.firewall, bridge).await {
            Ok(found) => findings.extend(found),
            Err(error) => note(&sanitize_text(&format!(
                "the firewall could not be looked at: {error}"
            ))),
        }
    }
    let root = rustix::process::geteuid().is_root();
    findings.extend(engine_socket(server.title(), &server.address, root));
    findings.extend(low_memory());
    findings.extend(full_pools(&world));
    findings.extend(world.drift(&world.labs(&setup.catalog)));
    Ok((findings, bridges))
}

/// Pools with less than a tenth of their room left.
fn full_pools(world: &crate::labs::World) -> Vec<Finding> {
    let scarce = world
        .pools
        .iter()
        .filter(|p| p.total > 0 && p.used.saturating_mul(10) > p.total.saturating_mul(9));
    let full = scarce.map(|p| {
        let name = crate::log::sanitize(&p.name);
        let (used, total) = (
            crate::stage::size::human(p.used),
            crate::stage::size::human(p.total),
        );
        Finding::new(
            format!("pool.full.{name}"),
            Severity::Warn,
            format!("the storage pool {name} is nearly full, {used} of {total} used"),
            "A lab that finds no room stops in the middle of its work.",
        )
        .fix("halolab snapshot prune LAB shows what can go")
    });
    full.collect()
}

/// A finding for people: what was seen, why it matters, what to do, who says so.
pub(super) fn text(finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Fail => "FAIL",
        Severity::Warn => "WARN",
        Severity::Info => "info",
    };
    let mut lines = vec![format!("{word}  {}", finding.id)];
    let mut add = |label: &str, text: &str| {
        if !text.is_empty() {
            lines.push(format!("      {label:<7}{text}"));
        }
    };
    add("seen", &finding.seen);
    add("why", &finding.why);
    add("fix", finding.fix.as_deref().unwrap_or_default());
    add("mend", finding.mend.as_deref().unwrap_or_default());
    add("source", finding.source.as_deref().unwrap_or_default());
    if finding.mend.is_some() {
        lines.push(format!("      $ halolab doctor --fix {}", finding.id));
    }
    sanitize_text(&lines.join("\n"))
}

async fn fix(
    setup: &Setup,
    (id, args): (&str, &TuneArgs),
    findings: &[Finding],
    bridges: &[String],
) -> Result<Code, Stop> {
    let known = findings
        .iter()
        .map(|f| f.id.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let found = findings.iter().find(|f| f.id == id).ok_or_else(|| {
        Stop::usage(format!(
            "there is no finding `{}` now; there are: {}",
            crate::log::sanitize(id),
            if known.is_empty() { "none" } else { &known }
        ))
    })?;
    let Some(script) = found.script.as_ref().filter(|_| !bridges.is_empty()) else {
        return Err(Stop::blocked(format!(
            "`{id}` cannot be mended by a program: {}",
            found.text()
        )));
    };
    let what = found.mend.as_deref().unwrap_or(id);
    let text = format!("This will, as root: {what}\n\n{}", script.trim_end());
    if !tune::consent(setup, &sanitize_text(&text), args)? {
        return Ok(Code::OK);
    }
    let _lock = setup.hold_all("doctor --fix")?;
    for bridge in bridges {
        let command = firewall::mend(bridge);
        let code = command
            .run(
                &mut |_, bytes| note(&sanitize_text(String::from_utf8_lossy(bytes).trim_end())),
                &CancellationToken::new(),
            )
            .await
            .map_err(|e| Stop::new(Code::FAILED, e))?;
        if code != 0 {
            return Err(Stop::new(
                Code::FAILED,
                format!("the mend of `{id}` ended with {code}"),
            ));
        }
    }
    out(&format!("mended: {id}"));
    Ok(Code::OK)
}

/// Memory that a small lab needs to start and to install packages.
const LOW_MEMORY: u64 = 1 << 30;

fn low_memory() -> Option<Finding> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let (free, total) = (system.available_memory(), system.total_memory());
    (total > 0 && free < LOW_MEMORY).then(|| {
        let (free, total) = (crate::stage::size::human(free), crate::stage::size::human(total));
        Finding::new(
            "memory.low",
            Severity::Warn,
            format!("only {free} of {total} memory are free"),
            "Installing packages in a lab may be ended by the kernel.",
        )
        .fix("halolab stop LAB, for a lab that you do not need")
    })
}
