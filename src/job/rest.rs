//! What is left of a job that nobody goes on with: its log in a lab that was stopped, its command where it never began.

use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use super::{
    Result, Status, Watch, Writer,
    inside::FOLDER,
    watch::{SHORTEST, add},
};
use crate::backend;

impl Watch<'_> {
    /// Nobody will begin it any more: who asked for it was ended. Its command may hold secrets, and is removed; an attempt
    /// before it stands.
    pub(super) async fn never_began(&mut self, writer: &mut Writer) -> Result<bool> {
        match self.inside().clear().await {
            Ok(true) => {}
            // It runs after all, or the engine is away.
            Ok(false) | Err(_) => {
                sleep(SHORTEST).await;
                return Ok(false);
            }
        }
        if writer.status().attempt > 0 {
            self.mirror.set_asked_for(None)?;
            return Ok(false);
        }
        writer.lost(
            "it never began: halolab was ended before it could start it, and its command was removed",
        )?;
        Ok(true)
    }

    /// Reads what a stopped lab still holds: its last word, and the rest of the log. How many bytes of that could not be
    /// read, as far as they are known; none where all of it is here.
    pub(super) async fn salvage(&mut self, writer: &mut Writer) -> Result<Option<u64>> {
        let name = self.mirror.job.container.clone();
        let file = |name: &str| format!("{FOLDER}/{}/{name}", self.mirror.id());
        let mut length = writer.status().log.bytes;
        if let Ok(line) = self.backend.pull(&name, &file("status.json")).await {
            let line = line.trim_ascii_end();
            let told = Status::parse(line, self.mirror.id().as_str());
            length = told.map_or(length, |status| length.max(status.log.bytes));
            writer.told(line)?;
        }
        let (mut hash, mut at, have) = (Sha256::new(), 0_u64, writer.length());
        let grown = &mut *self.grown;
        let mut take = |bytes: &[u8]| {
            hash.update(bytes);
            let known = usize::try_from(have.saturating_sub(at)).unwrap_or(usize::MAX);
            at += bytes.len() as u64;
            if let Some(more) = bytes.get(known..).filter(|more| !more.is_empty()) {
                add(writer, more, grown);
            }
        };
        let read = self.backend.pull_pieces(&name, &file("log.raw"), &mut take).await;
        writer.check()?;
        match read {
            Ok(()) => {
                writer.verify(at, &hex::encode(hash.finalize()))?;
                Ok(None)
            }
            // The lab was put back before it was stopped: there is none.
            Err(backend::Error::Missing { .. }) => Ok(None),
            Err(error) => {
                tracing::debug!(%error, job = %self.mirror.id(), "the rest of its log stays in its lab");
                (self.notice)(&error.to_string());
                Ok(Some(length.saturating_sub(writer.length())))
            }
        }
    }
}
