//! A short look at a job, as lists take it: how it stands, and what of its log comes meanwhile.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    Error, Result, Status, Watch, Writer,
    watch::{Next, ROUND, Round},
};
use crate::backend;

impl Watch<'_> {
    /// Looks how a job stands, and copies of its log what comes in a short while.
    ///
    /// # Errors
    /// The engine does not answer; its lab is frozen; the mirror cannot be written, or another watcher that is suspended
    /// has it.
    pub async fn briefly(&mut self, while_: Duration) -> Result<Status> {
        let Some(mut writer) = self.mirror.writer()? else {
            return self
                .mirror
                .suspended()
                .map_or_else(|| Ok(self.mirror.status()), Err);
        };
        if writer.status().is_over() {
            return Ok(writer.status().clone());
        }
        let Some(round) = self.look(&mut writer).await? else {
            return Ok(writer.status().clone());
        };
        let (ended, lost) = (
            writer.status().state.is_final(),
            round.over.is_some() || round.unbegun,
        );
        // The rest of one that ended is a question of its own: it comes with the sum.
        let all = async {
            if lost {
                self.is_finished(&mut writer, round).await?;
            } else if ended {
                let round = self.round(&mut writer, ROUND).await?;
                self.is_finished(&mut writer, round).await?;
            } else {
                let length = writer.status().log.bytes;
                self.drain(&mut writer, length).await?;
            }
            Ok::<(), Error>(())
        };
        // What does not come in time comes later: the length that is here is where it goes on.
        match timeout(while_, all).await {
            Ok(done) => done?,
            Err(_) if lost => {
                return Err(Error::Rest(self.mirror.id().to_string()));
            }
            Err(_) => {}
        }
        writer.check()?;
        Ok(writer.status().clone())
    }

    /// Asks how it stands; none where nothing more comes of it.
    async fn look(&mut self, writer: &mut Writer) -> Result<Option<Round>> {
        let mut refused = 0;
        loop {
            let error = match self.round(writer, 0).await {
                Ok(round) => return Ok(Some(round)),
                Err(error) => error,
            };
            writer.check()?;
            let reason = error.to_string();
            let again = refused;
            match self.after(error, writer, &mut refused).await? {
                Next::Over => return Ok(None),
                Next::Frozen => return Err(self.frozen()),
                // Once could be the moment in which an engine that was restarted does not know yet.
                Next::Again if refused == 1 && again == 0 => {}
                Next::Again => {
                    return Err(Error::Backend(backend::Error::Lost {
                        engine: "the engine".into(),
                        what: format!("look at the job {}", self.mirror.id()),
                        reason,
                    }));
                }
            }
        }
    }
}
