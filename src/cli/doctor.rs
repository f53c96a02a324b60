//! `halolab doctor`: what is wrong with this machine, and how to mend it.

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::{
    host::{Finding, Severity, firewall},
    log::sanitize_text,
};

use super::{
    Code, Setup, Stop,
    table::{json, note, out},
};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Mend this finding.
    #[arg(long, value_name = "ID")]
    fix: Option<String>,
}

pub(super) async fn doctor(setup: &Setup, args: DoctorArgs) -> Result<Code, Stop> {
    let (findings, bridges) = look(setup).await?;
    if let Some(id) = &args.fix {
        return fix(setup, id, &findings, &bridges).await;
    }
    if setup.global.json {
        json(&serde_json::json!({"v": 1, "findings": findings}))?;
    } else if findings.is_empty() {
        out("nothing found that is wrong");
    } else {
        for finding in &findings {
            out(&text(finding));
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
        findings.push(Finding {
            id: "engine.stopped".into(),
            severity: Severity::Fail,
            text: format!(
                "{engine} is installed and does not run, so no lab does. Start it: `halolab start`."
            ),
            mend: None,
            script: None,
        });
        return Ok((findings, bridges));
    }
    let Some(server) = &world.server else {
        findings.push(Finding {
            id: "engine.missing".into(),
            severity: Severity::Warn,
            text: "There is no LXD or Incus yet. `halolab` installs one when it makes the first lab.".into(),
            mend: None,
            script: None,
        });
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
    findings.extend(low_memory());
    let scarce = world
        .pools
        .iter()
        .filter(|p| p.total > 0 && p.used.saturating_mul(10) > p.total.saturating_mul(9));
    findings.extend(scarce.map(|p| Finding {
        id: format!("pool.full.{}", crate::log::sanitize(&p.name)),
        severity: Severity::Warn,
        text: format!(
            "The storage pool {} is nearly full: {} of {} used. `halolab snapshot prune LAB` shows what can go.",
            crate::log::sanitize(&p.name),
            crate::stage::size::human(p.used),
            crate::stage::size::human(p.total)
        ),
        mend: None,
        script: None,
    }));
    Ok((findings, bridges))
}

fn text(finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Fail => "FAIL",
        Severity::Warn => "WARN",
        Severity::Info => "info",
    };
    let mend = finding.mend.as_ref().map_or_else(String::new, |m| {
        format!("\n      mend: {m}\n      $ halolab doctor --fix {}", finding.id)
    });
    sanitize_text(&format!("{word}  {}  {}{mend}", finding.id, finding.text))
}

async fn fix(setup: &Setup, id: &str, findings: &[Finding], bridges: &[String]) -> Result<Code, Stop> {
    let _lock = setup.hold("doctor --fix")?;
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
    if found.script.is_none() {
        return Err(Stop::blocked(format!(
            "`{id}` cannot be mended by a program: {}",
            found.text
        )));
    }
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
    (total > 0 && free < LOW_MEMORY).then(|| Finding {
        id: "memory.low".into(),
        severity: Severity::Warn,
        text: format!(
            "Only {} of {} memory are free: installing packages in a lab may be ended by the kernel. Stop a lab that \
             you do not need: `halolab stop LAB`.",
            crate::stage::size::human(free),
            crate::stage::size::human(total)
        ),
        mend: None,
        script: None,
    })
}
