//! Jobs that write what builds write, byte for byte known beforehand.

use std::{
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};

use super::program::Home;

/// How long anything in here may take on a loaded machine.
pub(crate) const LONG: Duration = Duration::from_mins(3);

/// Numbers that look random and are the same each time.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// What a build writes: colours, bars of `\r`, lines of 40 kB, text of several bytes a letter, no line feed at the end.
pub(crate) fn build_log(lines: u64, seed: u64) -> Vec<u8> {
    let mut numbers = Numbers(seed);
    let mut log = vec![];
    for i in 0..lines {
        match numbers.next(10) {
            0 => log.extend(format!("\x1b[1;34m==>\x1b[0m Installing pkg-{i} [{i}/{lines}]\n").into_bytes()),
            1 => {
                for percent in (0..=100).step_by(25) {
                    log.extend(format!("\r[{i}] {percent}%").into_bytes());
                }
                log.push(b'\n');
            }
            2 => log.extend(format!("[{i}] {}\n", "x".repeat(40_000)).into_bytes()),
            3 => log.extend(format!("[{i}] naïve ✓ 漢字\n").into_bytes()),
            _ => log.extend(format!("[{i}] gcc -O2 -c f{}.c\n", numbers.next(1_000_000_000)).into_bytes()),
        }
    }
    log.extend(b"done, no line feed at the end");
    log
}

/// A script that writes a file in pieces that are cut anywhere, in about this many seconds.
pub(crate) fn writer(file: &str, bytes: usize, seconds: usize) -> String {
    let piece = 7919;
    let pieces = bytes.div_ceil(piece);
    let each = 20 * seconds;
    let per_pause = pieces.div_ceil(each).max(1);
    format!(
        "i=0; while [ $i -lt {pieces} ]; do dd if={file} bs={piece} skip=$i count={per_pause} 2>/dev/null; \
         i=$((i+{per_pause})); sleep 0.03; done"
    )
}

pub(crate) fn sum(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Home {
    /// The folder of a job on this host.
    pub(crate) fn job(&self, id: &str) -> PathBuf {
        self.folder.path().join("state/jobs").join(id)
    }

    /// Starts a job in the first lab; its id.
    pub(crate) fn job_run(&self, script: &str) -> String {
        let said = self.ends(0, &["job", "run", self.lab(), "--", "sh", "-c", script]);
        said.out.trim().to_owned()
    }

    /// Starts the program and lets it run.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// `job status ID --json`.
    pub(crate) fn job_status(&self, id: &str) -> serde_json::Value {
        serde_json::from_str(&self.ends(0, &["job", "status", id, "--json"]).out).unwrap()
    }

    /// The mirror's own status.
    pub(crate) fn mirror(&self, id: &str) -> serde_json::Value {
        let text = std::fs::read(self.job(id).join("status.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Bytes of the log that are here.
    pub(crate) fn copied(&self, id: &str) -> Vec<u8> {
        std::fs::read(self.job(id).join("log.raw")).unwrap_or_default()
    }
}

/// Waits until something holds; fails after a long time.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LONG, "{what} took too long");
        std::thread::sleep(Duration::from_millis(50));
    }
}
