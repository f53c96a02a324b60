//! How the services of a workspace are: what supervisor says of them ([`supervisor`]), and what each answers through its
//! mapped port in its own protocol ([`speak`]). Both are needed: supervisor calls running what is alive for a second, and a
//! port that answers does not tell why another does not.
//!
//! All that comes from a workspace is its user's: it is bounded, waited for no longer than a deadline, and sanitised.

pub mod speak;
pub mod supervisor;
mod words;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde::Serialize;

use super::Service;
pub use supervisor::{ASK, Inside};

/// How long a service may take to answer, as a rule.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Where a service is to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// What should be spoken there.
    pub protocol: Service,
    /// The mapped port.
    pub address: SocketAddr,
}

/// What came of asking at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is the service.
    Speaks,
    /// It is the service, but what it is for is not there: an HTTP error, a refusal.
    Fails,
    /// Something else is there.
    Stranger,
    /// It was connected, and not a word came before the deadline, or it hung up without one.
    Silent,
    /// Nobody listens.
    Closed,
    /// The address cannot be reached.
    Unreachable,
}

/// One port, asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probed {
    /// What should be there.
    pub service: Service,
    /// Where.
    pub address: SocketAddr,
    /// What is there.
    pub answer: Answer,
    /// What it said, safe to show.
    pub said: String,
    /// Anybody who reaches the port gets in: the service asks for no password.
    pub open: bool,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// Asks at all ports at once; each has its own deadline, so the whole takes no longer than the slowest.
pub async fn probe(targets: &[Target], deadline: Duration) -> Vec<Probed> {
    join_all(targets.iter().map(|target| one(*target, deadline))).await
}

async fn one(target: Target, deadline: Duration) -> Probed {
    let begun = Instant::now();
    let heard = match tokio::time::timeout(deadline, speak::speak(target)).await {
        Ok(heard) => heard,
        Err(_) => speak::Heard::new(
            Answer::Silent,
            format!("no answer within {} s", deadline.as_secs_f32()),
        ),
    };
    Probed {
        service: target.protocol,
        address: target.address,
        answer: heard.answer,
        said: crate::log::shortened(crate::log::sanitize(&heard.said).trim(), 200),
        open: heard.open,
        milliseconds: begun.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
    }
}

/// How a service is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It answers as it should.
    Up,
    /// It answers, and something about it should be mended.
    Warning,
    /// It runs, and does not answer yet.
    Starting,
    /// It does not answer.
    Down,
    /// It was left out when the workspace started.
    LeftOut,
}

/// One service of a workspace: both answers, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// By the name of `WS_SERVICES`.
    pub service: String,
    /// In one word.
    pub health: Health,
    /// What is, in words.
    pub words: String,
    /// What to do about it; empty where nothing is to be done.
    pub advice: String,
    /// What supervisor says of its program.
    pub program: Option<supervisor::Program>,
    /// What its port said; none for what has no port.
    pub probed: Option<Probed>,
}

/// Judges services by what was asked inside and at the ports. `lab` is the name that the commands to type have.
pub fn judge(lab: &str, services: &[&str], inside: &Inside, probed: &[Probed]) -> Vec<Report> {
    let of = |service: &&str| {
        let found = probed.iter().find(|probed| probed.service.name() == *service);
        words::report(lab, service, inside, found)
    };
    services.iter().map(of).collect()
}
