//! With which exit code a run ends that was stopped.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// Exit code of a run that the user stopped: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// With which exit code a stopped run ends: that of Ctrl-C, or of the signal that was told.
#[derive(Clone, Debug)]
pub struct StopCode(Arc<AtomicU8>);

impl StopCode {
    /// Says it before the run is stopped: 128 and the signal's number.
    pub fn set(&self, code: u8) {
        self.0.store(code, Ordering::SeqCst);
    }

    /// The code.
    pub fn get(&self) -> u8 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Default for StopCode {
    fn default() -> Self {
        Self(Arc::new(AtomicU8::new(INTERRUPTED)))
    }
}
