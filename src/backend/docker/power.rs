//! Start and stop.

use std::time::Duration;

use bollard::query_parameters::{LogsOptions, StopContainerOptions};
use futures_util::StreamExt as _;
use tokio::time::{sleep, timeout};

use super::{Docker, instance::Container, instances::about};
use crate::backend::{Power, Result, Status};

/// How long a first process that is not ours must live to count as started.
const FIRST_LOOKS: u32 = 5;
const LOOK: Duration = Duration::from_millis(100);
/// How long its last words are waited for.
const WORDS: Duration = Duration::from_secs(5);

impl Docker {
    /// Starts or stops.
    pub(super) async fn set_power(&self, name: &str, power: Power) -> Result<()> {
        let about = about("reach", name);
        let container = self.existing(name, &about).await?;
        if container.status == Status::Frozen {
            self.call(&about, self.api.unpause_container(&container.id))
                .await?;
        }
        match power {
            Power::Start if container.is_alive() => self.link_driver(&container).await,
            Power::Start => Box::pin(self.start(name)).await,
            Power::Stop { seconds } => self.stop(&container, seconds).await,
        }
    }

    /// Starts it, made anew before where its config, profiles or devices are no more what it was made with.
    async fn start(&self, name: &str) -> Result<()> {
        let about = about("start", name);
        Box::pin(self.settle(name)).await?;
        let container = Box::pin(self.renewed(name, &about)).await?;
        let start = self.api.start_container(&container.id, None);
        self.call_within(Duration::from_mins(5), &about, start).await?;
        self.link_driver(&container).await?;
        let ours = container
            .told
            .config
            .as_ref()
            .and_then(|config| config.entrypoint.as_ref());
        // Our own first process does not end by itself.
        if ours.is_some_and(|words| words.iter().any(|word| word.contains("while :;"))) {
            return Ok(());
        }
        for _ in 0..FIRST_LOOKS {
            sleep(LOOK).await;
            let now = self.existing(name, &about).await?;
            if now.status != Status::Running {
                return Err(about.no(self.last_words(&now).await));
            }
        }
        Ok(())
    }

    /// Why a container does not run any more.
    async fn last_words(&self, container: &Container) -> String {
        let state = container.told.state.clone().unwrap_or_default();
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: "5".to_owned(),
            ..LogsOptions::default()
        };
        let logs = self.api.logs(&container.id, Some(options)).take(64);
        // They are a courtesy: the reason is the exit code.
        let logs: Vec<_> = timeout(WORDS, logs.collect()).await.unwrap_or_default();
        let said: String = logs.into_iter().flatten().map(|line| line.to_string()).collect();
        let code = state.exit_code.unwrap_or_default();
        format!(
            "its first process ended at once with exit code {code}; {} It said last: {}",
            state.error.unwrap_or_default(),
            said.trim()
        )
    }

    /// Stops it; by force after the seconds.
    pub(super) async fn stop(&self, container: &Container, seconds: u32) -> Result<()> {
        let about = about("stop", &container.name);
        let options = StopContainerOptions {
            signal: None,
            t: Some(i32::try_from(seconds).unwrap_or(i32::MAX)),
        };
        let deadline = Duration::from_secs(u64::from(seconds) + 60);
        self.call_within(
            deadline,
            &about,
            self.api.stop_container(&container.id, Some(options)),
        )
        .await
    }
}
