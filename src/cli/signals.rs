//! Signals: while a run is at work the first one asks it to stop, and the second one ends the program. A question of
//! `--plain` ends with the first one.

use std::io;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::run::StopCode;

use super::table::note;

/// Exit codes by signal: 128 and its number.
const INTERRUPT: u8 = 130;
const TERMINATE: u8 = 143;
const HANGUP: u8 = 129;

/// Listens as long as it lives.
pub(super) struct Signals {
    task: JoinHandle<()>,
}

impl Signals {
    /// Begins to listen; the first signal cancels, and says with which code the run ends then.
    pub(super) fn listen(cancel: CancellationToken, stop_code: StopCode) -> io::Result<Self> {
        let mut ear = Ear::listen()?;
        let task = tokio::spawn(async move {
            stop_code.set(ear.hear().await);
            cancel.cancel();
            note("stopping: the action at work is ended first; once more ends halolab at once");
            let code = ear.hear().await;
            note(
                "ended at once: the daemon may still end what it was told; what was done is in the journal, and \
                 `halolab runs resume` goes on",
            );
            // Some of the daemon's operations cannot be cancelled, and whoever waits for one waits for ever.
            std::process::exit(i32::from(code));
        });
        Ok(Self { task })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Hears the signals that end a program.
pub(super) struct Ear {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Ear {
    /// Begins to listen: what comes from now on is heard.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The exit code of the next signal.
    pub(super) async fn hear(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPT,
            _ = self.terminate.recv() => TERMINATE,
            _ = self.hangup.recv() => HANGUP,
        }
    }
}
