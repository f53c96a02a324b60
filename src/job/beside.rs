//! Watching a job beside another watcher: the one who holds the mirror's lock adds to it, the others wait for its end.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Error, Result, Status, Watch};

/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(100);

impl Watch<'_> {
    /// Waits while another watcher adds to the mirror; none when that one is gone.
    pub(super) async fn beside(&mut self) -> Result<Option<Status>> {
        let mut suspended: Option<Instant> = None;
        loop {
            let status = self.mirror.status();
            if status.is_over() {
                return Ok(Some(status));
            }
            if self.mirror.writer()?.is_some() {
                return Ok(None);
            }
            if let Some(error) = self.mirror.suspended() {
                let since = suspended.get_or_insert_with(|| {
                    (self.notice)(Some(&error.to_string()));
                    Instant::now()
                });
                if self.patience.is_some_and(|patience| since.elapsed() > patience) {
                    return Err(error);
                }
            } else if suspended.take().is_some() {
                (self.notice)(None);
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                () = self.cancel.cancelled() => return Err(Error::Detached),
            }
        }
    }
}
