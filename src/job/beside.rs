//! Reading a job beside another watcher: the one who holds the mirror's lock adds to it, the others read what it adds.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Error, Result, Status, Watch, watch::Sink};

/// How often it is looked whether there is more.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes that are read at once out of the mirror.
const PART: u64 = 1 << 20;

impl Watch<'_> {
    /// Hands on what is in the mirror and was not handed on yet; `seen` is which of its logs was read last. A log that
    /// began anew is handed on from its first byte.
    pub(super) fn hand_on(&mut self, seen: &mut Option<u32>, sink: Sink<'_>) -> Result<()> {
        loop {
            let anew = self.mirror.status().anew;
            if seen.replace(anew).is_some_and(|before| before != anew) && self.from != u64::MAX {
                self.from = 0;
            }
            let bytes = self.mirror.bytes(self.from, PART)?;
            // The status says so before the first byte of the new log comes.
            if self.mirror.status().anew != anew {
                continue;
            }
            if bytes.is_empty() {
                return Ok(());
            }
            self.from += bytes.len() as u64;
            sink(&bytes);
        }
    }

    /// Reads what another watcher adds; none when that one is gone.
    pub(super) async fn beside(&mut self, seen: &mut Option<u32>, sink: Sink<'_>) -> Result<Option<Status>> {
        let mut suspended: Option<Instant> = None;
        loop {
            // Asked before the read: what came before the end is read after.
            let status = self.mirror.status();
            self.hand_on(seen, sink)?;
            if status.is_over() {
                return Ok(Some(status));
            }
            if self.mirror.writer()?.is_some() {
                return Ok(None);
            }
            if let Some(error) = self.mirror.suspended() {
                let since = suspended.get_or_insert_with(|| {
                    (self.notice)(&error.to_string());
                    Instant::now()
                });
                if self.patience.is_some_and(|patience| since.elapsed() > patience) {
                    return Err(error);
                }
            } else {
                suspended = None;
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                () = self.cancel.cancelled() => return Err(Error::Detached),
            }
        }
    }
}
