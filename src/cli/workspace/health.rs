//! How the services of workspaces are.

use serde_json::json;

use crate::workspace::{
    User,
    probe::{Health, Inside, Report, judge},
    services, spec,
};

use super::{
    super::{
        Code, Setup, Stop,
        table::{foreign_json, note, out, table},
    },
    Ground, seen,
};

/// The services of one user, asked inside and at their ports.
pub(super) async fn reports(setup: &Setup, ground: &Ground, name: &str, user: &User) -> Vec<Report> {
    let backend = match setup.docker_or_away().await {
        Ok(backend) => backend,
        Err(away) => {
            let inside = Inside::away(&away.why);
            return judge(&spec::lab(name), &services::wanted(user), &inside, &[]);
        }
    };
    services::reports(backend.as_ref(), (&ground.settings, &ground.ledger), (name, user)).await
}

/// A row for each service; what to do about one is said below.
pub(super) fn print(reports: &[Report]) {
    let word = |health| match health {
        Health::Up => "up",
        Health::Warning => "warning",
        Health::Starting => "starting",
        Health::Down => "down",
        Health::LeftOut => "left out",
    };
    let rows: Vec<Vec<String>> = reports
        .iter()
        .map(|report| {
            let address = report.probed.as_ref().map(|probed| probed.address.to_string());
            vec![
                report.service.clone(),
                word(report.health).to_owned(),
                address.unwrap_or_else(|| "-".into()),
                report.words.clone(),
            ]
        })
        .collect();
    out(&table(&["SERVICE", "STATE", "ADDRESS", "IN WORDS"], &rows));
    for report in reports.iter().filter(|report| !report.advice.is_empty()) {
        note(&format!("{}: {}", report.service, report.advice));
    }
}

/// Asks all services of users; fails where one does not answer.
pub(super) async fn status(setup: &Setup, users: &[String]) -> Result<Code, Stop> {
    let ground = Ground::look(setup)?;
    let found = seen(setup, &ground).await;
    if let Some(away) = &found.away {
        return Err(Stop::blocked(away.clone()));
    }
    let named: Vec<String> = if users.is_empty() {
        ground.settings.users.keys().cloned().collect()
    } else {
        users.to_vec()
    };
    let (mut all, mut well) = (vec![], true);
    for name in &named {
        let user = ground.user(name)?;
        if !found.running(name) {
            // Who is meant to be off is no failure, unless asked about by name.
            well &= users.is_empty();
            if setup.global.json {
                all.push(json!({"user": name, "state": found.word(name), "services": []}));
            } else {
                out(&format!("{name}: {}", found.word(name)));
            }
            continue;
        }
        let reports = reports(setup, &ground, name, user).await;
        well &= reports
            .iter()
            .all(|r| !matches!(r.health, Health::Down | Health::Starting));
        if setup.global.json {
            all.push(json!({"user": name, "state": found.word(name), "services": reports}));
        } else {
            out(&format!("{name}: {}", found.word(name)));
            print(&reports);
        }
    }
    if setup.global.json {
        foreign_json(&json!({"v": 1, "well": well, "users": all}))?;
    }
    Ok(if well { Code::OK } else { Code::FAILED })
}
