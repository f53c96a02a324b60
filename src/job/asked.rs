//! What was asked for (`job.json`), and the numbers of the signals that end it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `job.json`: what was asked for. Values of the environment are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobFile {
    /// [`SCHEMA`].
    pub schema: String,
    /// Its id.
    pub job: String,
    /// What it is a job of.
    pub kind: String,
    /// What people call it: the command, or the sentence of a step.
    pub title: String,
    /// The lab.
    pub lab: String,
    /// The instance that it runs in; of a lab that is being built anew it is not the lab's.
    pub container: String,
    /// Identity of that instance: a lab of the same name made later is another one.
    pub uuid: String,
    /// Where the engine is: a socket or a URL.
    pub engine: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Working directory inside.
    pub cwd: String,
    /// Names of the variables that it was given.
    pub env: Vec<String>,
    /// RFC 3339, by this host's clock.
    pub created_at: String,
    /// Minutes without output after which an event says that it is stuck; ten where it is not said.
    pub stuck_minutes: Option<u64>,
    /// The run that it is a step of.
    pub run: Option<String>,
    /// The action of that run.
    pub action: Option<String>,
    /// What a newer version writes.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// The first and the last real-time signal, as shells count them: glibc keeps 32 and 33 to itself.
const REAL_TIME: (u8, u8) = (34, 64);

/// The number of a signal on Linux (x86, ARM); 0 for one that we do not know.
pub(super) fn signal_number(name: &str) -> u8 {
    let known = [
        ("SIGHUP", 1),
        ("SIGINT", 2),
        ("SIGQUIT", 3),
        ("SIGILL", 4),
        ("SIGTRAP", 5),
        ("SIGABRT", 6),
        ("SIGBUS", 7),
        ("SIGFPE", 8),
        ("SIGKILL", 9),
        ("SIGUSR1", 10),
        ("SIGSEGV", 11),
        ("SIGUSR2", 12),
        ("SIGPIPE", 13),
        ("SIGALRM", 14),
        ("SIGTERM", 15),
        ("SIGSTKFLT", 16),
        ("SIGXCPU", 24),
        ("SIGXFSZ", 25),
        ("SIGVTALRM", 26),
        ("SIGPROF", 27),
        ("SIGIO", 29),
        ("SIGPOLL", 29),
        ("SIGPWR", 30),
        ("SIGSYS", 31),
        ("SIGRTMIN", REAL_TIME.0),
        ("SIGRTMAX", REAL_TIME.1),
    ];
    if let Some((_, number)) = known.iter().find(|(n, _)| *n == name) {
        return *number;
    }
    // Shells call those without a name of their own by a number, or by their distance from the first or last of them.
    let number = |text: &str| text.parse::<u8>().ok();
    let above = |text: &str| REAL_TIME.0.checked_add(number(text.strip_prefix("RTMIN+")?)?);
    let below = |text: &str| REAL_TIME.1.checked_sub(number(text.strip_prefix("RTMAX-")?)?);
    let name = name.strip_prefix("SIG").unwrap_or(name);
    let found = above(name).or_else(|| below(name)).or_else(|| number(name));
    found.filter(|number| *number <= REAL_TIME.1).unwrap_or(0)
}
