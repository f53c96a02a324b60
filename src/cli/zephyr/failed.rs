//! After a build that failed: why, and a menu whose first line does nothing; what to type where nobody can be asked.

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
};

use crate::{
    app::report,
    job,
    log::sanitize,
    zephyr::{Entry, Failed, Way, save},
};

use super::{
    super::{
        Code, Setup, Stop, shell,
        table::{json, note, out},
    },
    Order, begin, known,
};

/// Says what failed, and asks what to do about it until it is left or built again.
pub(super) async fn menu(
    setup: &Setup,
    entry: &Entry,
    order: Order,
    (failed, code): (Failed, Code),
) -> Result<Code, Stop> {
    for line in failed.lines() {
        note(&sanitize(&line));
    }
    let ways = failed.ways();
    if setup.global.no_input || setup.global.json || !std::io::stdin().is_terminal() {
        for way in &ways {
            if let Some(typed) = failed.typed(way) {
                let (title, line) = failed.words(way);
                note(&sanitize(&format!("  {title}, {line}: `{typed}`")));
            }
        }
        return Ok(code);
    }
    loop {
        out("What now?");
        for (number, way) in (1..).zip(&ways) {
            let (title, line) = failed.words(way);
            out(&sanitize(&format!("  {number}. {title}: {line}")));
        }
        match chosen(&ways)? {
            Way::Leave => return Ok(code),
            Way::Bundle => bundle(setup, Some(&failed.job), &failed.lab, None)
                .await
                .map(drop)?,
            Way::Shell(spec) => {
                let all = known(setup, &order.lab)?;
                let Some(inside) = all.iter().find(|entry| entry.name == "build-env") else {
                    continue;
                };
                let entered = shell::program(setup, order.lab.clone(), vec![inside.program(), spec]).await;
                if let Err(stop) = entered {
                    note(&format!("not done: {}", stop.text));
                }
            }
            way => {
                let arguments = failed.again(&way).unwrap_or_default();
                return Box::pin(begin(setup, entry, Order { arguments, ..order })).await;
            }
        }
    }
}

/// The way that was chosen; the end of the input, and anything that is no number of one, is the first.
fn chosen(ways: &[Way]) -> Result<Way, Stop> {
    let _ = write!(std::io::stdout(), "Number [1]: ");
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let number = line.trim().parse::<usize>().unwrap_or(1);
    Ok(ways.get(number.saturating_sub(1)).cloned().unwrap_or(Way::Leave))
}

/// Saves a report of a build.
pub(super) async fn bundle(
    setup: &Setup,
    job: Option<&str>,
    lab: &str,
    to: Option<PathBuf>,
) -> Result<Code, Stop> {
    let id = match job {
        Some(id) => id.to_owned(),
        None => Failed::last(&setup.jobs(), lab)
            .map(|failed| failed.job)
            .ok_or_else(|| {
                Stop::usage(sanitize(&format!(
                    "no build of {lab} failed last; name a job: `halolab job list --all`"
                )))
            })?,
    };
    let mirror = job::find(&setup.jobs(), &id)?;
    let backend = setup.backend().await.ok();
    let extra = report::extra(&crate::host::folder(), &setup.paths, backend.as_deref(), vec![]).await;
    let to = to.unwrap_or_else(|| report::place(&setup.paths, mirror.id().as_str()));
    let saved = save(&mirror, backend.as_deref(), &extra, &to).await;
    saved.map_err(|error| Stop::new(Code::FAILED, format!("the report was not saved: {error}")))?;
    let place = to.display().to_string();
    if setup.global.json {
        json(&serde_json::json!({"v": 1, "job": mirror.id().as_str(), "report": place}))?;
    } else {
        out(&sanitize(&format!(
            "saved as {place}, which only you can read; look through it before you share it"
        )));
    }
    Ok(Code::OK)
}
