//! How the services of workspaces are.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use serde_json::json;

use crate::{
    backend::{Backend, ExecSpec, Progress},
    workspace::{
        User, ports,
        probe::{ASK, DEADLINE, Health, Inside, Report, Target, judge, probe},
        spec,
    },
};

use super::{
    super::{
        Code, Setup, Stop,
        table::{foreign_json, note, out, table},
    },
    Ground, seen,
};

/// How long supervisor may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of its answer that are read.
const MOST: usize = 64 * 1024;

/// The services of one user, asked inside and at their ports.
pub(super) async fn reports(setup: &Setup, ground: &Ground, name: &str, user: &User) -> Vec<Report> {
    let address = match ground.settings.bind_of(user) {
        IpAddr::V4(all) if all.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(all) if all.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    let slot = ground.ledger.slot(name);
    let targets: Vec<Target> = user
        .services
        .iter()
        .filter_map(|service| {
            let port = ports::port(&ground.settings, slot?, *service)?;
            Some(Target {
                protocol: *service,
                address: SocketAddr::new(address, port),
            })
        })
        .collect();
    let lab = spec::lab(name);
    let (inside, probed) = tokio::join!(inside(setup, &lab), probe(&targets, DEADLINE));
    let mut services: Vec<&str> = user.services.iter().map(|service| service.name()).collect();
    if user.docker {
        services.push("dind");
    }
    judge(&lab, &services, &inside, &probed)
}

/// What supervisor says of them.
async fn inside(setup: &Setup, lab: &str) -> Inside {
    let backend = match setup.docker_or_away().await {
        Ok(backend) => backend,
        Err(away) => return Inside::away(&away.why),
    };
    match run(backend.as_ref(), lab, &ASK).await {
        Ok((_, said)) => Inside::read(&said),
        Err(why) => Inside::away(&why),
    }
}

/// A short command as root inside: its code, and what it wrote, bounded.
async fn run(backend: &dyn Backend, lab: &str, argv: &[&str]) -> Result<(i32, Vec<u8>), String> {
    let spec = ExecSpec {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        ..ExecSpec::default()
    };
    let mut said = vec![];
    let mut take = |_: u8, bytes: &[u8]| {
        let room = MOST.saturating_sub(said.len());
        said.extend(bytes.iter().take(room));
    };
    let progress = Progress::default();
    let ran = backend.exec(lab, &spec, &mut take, &progress);
    match tokio::time::timeout(PATIENCE, ran).await {
        Ok(Ok(code)) => Ok((code, said)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
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
