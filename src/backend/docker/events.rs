//! What the engine tells by itself: changes, what a container writes, what it uses.

use bollard::{
    container::LogOutput,
    models::{ContainerStatsResponse, EventMessage},
    query_parameters::{EventsOptions, LogsOptions, StatsOptions},
};
use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::sync::mpsc;

use super::{Docker, instances::about};
use crate::backend::{Output, Progress, Result, about::About};

/// What changes nothing that is shown: commands and looks of ours are among them.
const QUIET: &[&str] = &[
    "exec_",
    "top",
    "attach",
    "detach",
    "resize",
    "health_status",
    "archive-path",
    "extract-to-dir",
    "export",
];

/// What a container uses, a second's worth.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Processors' time, in percent of one processor.
    pub processors: f64,
    /// Bytes of memory, without what is given back when somebody needs it.
    pub memory: u64,
    /// Bytes of memory that it may have.
    pub limit: u64,
    /// Processes.
    pub processes: u64,
    /// Bytes received and sent since its start.
    pub network: (u64, u64),
}

impl Docker {
    /// A unit for each change; ends with the connection, or with its reader.
    pub(super) async fn hear_events(&self) -> Result<mpsc::Receiver<()>> {
        let about = About::new("tell of changes", "list of events");
        // What happens between this answer and the moment at which the engine hears of us is told too.
        let now = self.call(&about, self.api.info()).await?.system_time;
        let now = now.and_then(|now| now.parse::<jiff::Timestamp>().ok());
        let kinds = ["container", "image", "network", "volume"]
            .map(str::to_owned)
            .to_vec();
        let options = EventsOptions {
            since: now.map(|now| format!("{}.{:09}", now.as_second(), now.subsec_nanosecond())),
            until: None,
            filters: Some([("type".to_owned(), kinds)].into()),
        };
        let api = self.api.clone();
        let (tell, changes) = mpsc::channel(16);
        tokio::spawn(async move {
            let mut events = std::pin::pin!(api.events(Some(options)));
            loop {
                let event = tokio::select! {
                    event = events.next() => event,
                    () = tell.closed() => return,
                };
                match event {
                    // A full channel tells of a change already.
                    Some(Ok(event)) if is_change(&event) => drop(tell.try_send(())),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                }
            }
        });
        Ok(changes)
    }

    /// What the first process of an instance writes: all of it or the last lines, and on with `follow` until it ends or is
    /// cancelled. A courtesy copy of the engine's, which may be cut; a job's log is the record.
    pub async fn logs(
        &self,
        name: &str,
        (lines, follow): (Option<u32>, bool),
        output: Output<'_>,
        progress: &Progress,
    ) -> Result<()> {
        let about = about("read the log of", name);
        let container = self.existing(name, &about).await?;
        let options = LogsOptions {
            follow,
            stdout: true,
            stderr: true,
            tail: lines.map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
            ..LogsOptions::default()
        };
        let mut stream = std::pin::pin!(self.api.logs(&container.id, Some(options)));
        loop {
            // One that is followed may be silent for days.
            let piece = tokio::select! {
                piece = stream.next() => piece,
                () = progress.cancel.cancelled() => return Err(super::call::cancelled(&about)),
            };
            match piece.transpose().map_err(|error| self.said(&about, &error))? {
                None => return Ok(()),
                Some(LogOutput::StdErr { message }) => output(2, &message),
                Some(piece) => output(1, piece.as_ref()),
            }
        }
    }

    /// What an instance uses, each second; ends when it stops, or with its reader.
    pub async fn usage(&self, name: &str) -> Result<mpsc::Receiver<Usage>> {
        let about = about("look at", name);
        let container = self.existing(name, &about).await?;
        let api = self.api.clone();
        let (tell, heard) = mpsc::channel(4);
        tokio::spawn(async move {
            let options = StatsOptions {
                stream: true,
                one_shot: false,
            };
            let mut stats = std::pin::pin!(api.stats(&container.id, Some(options)));
            loop {
                let told = tokio::select! {
                    told = stats.next() => told,
                    () = tell.closed() => return,
                };
                let Some(Ok(told)) = told else { return };
                // The engine goes on with empty ones after the end.
                let usage = usage(told);
                if usage.processes == 0 || tell.send(usage).await.is_err() {
                    return;
                }
            }
        });
        Ok(heard)
    }
}

fn is_change(event: &EventMessage) -> bool {
    let action = event.action.as_deref().unwrap_or_default();
    !QUIET.iter().any(|quiet| action.starts_with(quiet))
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds as a share")]
fn usage(told: ContainerStatsResponse) -> Usage {
    let processors = {
        let now = told.cpu_stats.unwrap_or_default();
        let before = told.precpu_stats.unwrap_or_default();
        let total = |stats: &bollard::models::ContainerCpuStats| {
            let usage = stats.cpu_usage.clone().unwrap_or_default();
            usage.total_usage.unwrap_or_default()
        };
        let spent = total(&now).saturating_sub(total(&before));
        let passed = now
            .system_cpu_usage
            .unwrap_or_default()
            .saturating_sub(before.system_cpu_usage.unwrap_or_default());
        let count = now.online_cpus.unwrap_or(1);
        if before.system_cpu_usage.is_none() || passed == 0 {
            0.0
        } else {
            spent as f64 / passed as f64 * f64::from(count) * 100.0
        }
    };
    let memory = told.memory_stats.unwrap_or_default();
    let networks = told.networks.unwrap_or_default();
    let sum = |of: fn(&bollard::models::ContainerNetworkStats) -> Option<u64>| {
        networks.values().filter_map(of).sum::<u64>()
    };
    Usage {
        processors,
        limit: memory.limit.unwrap_or_default(),
        processes: told.pids_stats.and_then(|pids| pids.current).unwrap_or_default(),
        network: (sum(|one| one.rx_bytes), sum(|one| one.tx_bytes)),
        memory: used(memory),
    }
}

/// Memory in use; the page cache is given back when somebody needs it, and `docker stats` leaves it out, too.
pub(super) fn used(memory: bollard::models::ContainerMemoryStats) -> u64 {
    let kinds = memory.stats.unwrap_or_default();
    let cache = ["total_inactive_file", "inactive_file"]
        .iter()
        .find_map(|key| kinds.get(*key));
    let used = memory.usage.unwrap_or_default();
    used.saturating_sub(cache.copied().unwrap_or_default())
}
