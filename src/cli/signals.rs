//! Signals while a run is at work: the first one asks it to stop, the second one ends the program.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::table::note;

/// Exit code of a run that was stopped, as the runner says it.
const STOPPED: u8 = 130;
/// Exit codes by signal: 128 and its number.
const INTERRUPT: u8 = 130;
const TERMINATE: u8 = 143;
const HANGUP: u8 = 129;

/// Listens as long as it lives.
pub(super) struct Signals {
    first: Arc<AtomicU8>,
    task: JoinHandle<()>,
}

impl Signals {
    /// Begins to listen; the first signal cancels.
    pub(super) fn listen(cancel: CancellationToken) -> io::Result<Self> {
        let mut ear = Ear {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        };
        let first = Arc::new(AtomicU8::new(0));
        let heard = Arc::clone(&first);
        let task = tokio::spawn(async move {
            heard.store(ear.hear().await, Ordering::SeqCst);
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
        Ok(Self { first, task })
    }

    /// The exit code of the program for one of the runner: of a run that was stopped, that of the signal.
    pub(super) fn code(&self, code: u8) -> u8 {
        match self.first.load(Ordering::SeqCst) {
            0 => code,
            signal if code == STOPPED => signal,
            _ => code,
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Ear {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Ear {
    async fn hear(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPT,
            _ = self.terminate.recv() => TERMINATE,
            _ = self.hangup.recv() => HANGUP,
        }
    }
}
