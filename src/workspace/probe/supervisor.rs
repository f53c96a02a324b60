//! What a workspace says of its own programs. The text is out of the container, whose user may have written any of it.

use serde::Serialize;

use crate::log::{sanitize, shortened};

/// The command to run in the workspace; [`Inside::read`] reads what it prints.
pub const ASK: [&str; 1] = ["/usr/local/sbin/workspace-status"];
/// Lines that are read; a workspace has a dozen programs.
const MOST: usize = 200;
/// Characters of a line that are read.
const LONGEST: usize = 400;

/// What supervisor calls the state of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Stopped by somebody.
    Stopped,
    /// Begun, and not alive for a second yet.
    Starting,
    /// Alive for a second.
    Running,
    /// It ended too soon, and is begun again.
    Backoff,
    /// Told to end.
    Stopping,
    /// It ended.
    Exited,
    /// It ended too soon too often: it is not begun again.
    Fatal,
    /// Supervisor does not know.
    Unknown,
}

impl State {
    /// Whether supervisor begins it no more by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Fatal | Self::Stopped)
    }

    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "STOPPED" => Self::Stopped,
            "STARTING" => Self::Starting,
            "RUNNING" => Self::Running,
            "BACKOFF" => Self::Backoff,
            "STOPPING" => Self::Stopping,
            "EXITED" => Self::Exited,
            "FATAL" => Self::Fatal,
            "UNKNOWN" => Self::Unknown,
            _ => return None,
        })
    }
}

/// A program of supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Its name; a service's first program has the service's name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// What supervisor says besides, safe to show: pid and uptime, or why it ended.
    pub detail: String,
    /// For how long it runs, in seconds, where supervisor says so.
    pub uptime: Option<u64>,
}

/// All that a workspace says of its programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Inside {
    /// The programs.
    pub programs: Vec<Program>,
    /// Services that were left out, each with the reason.
    pub refused: Vec<(String, String)>,
    /// What the engine inside answered, where there is one: `OK` is well.
    pub dind: Option<String>,
    /// Why nothing is known, where supervisor could not be asked.
    pub trouble: Option<String>,
}

impl Inside {
    /// Reads what [`ASK`] printed. Any bytes will do.
    pub fn read(output: &[u8]) -> Self {
        let text = String::from_utf8_lossy(output);
        let mut inside = Self::default();
        let mut strange = None;
        for line in text.lines().take(MOST) {
            let line = shortened(&sanitize(line), LONGEST);
            let (first, rest) = word(&line);
            let (second, rest) = word(rest);
            if let Some(state) = State::named(second).filter(|_| is_name(first)) {
                inside.programs.push(Program {
                    name: first.to_owned(),
                    state,
                    uptime: uptime(rest),
                    detail: rest.to_owned(),
                });
            } else if first == "refused" && is_name(second) {
                inside.refused.push((second.to_owned(), rest.to_owned()));
            } else if first == "answers" && second == "dind" {
                inside.dind = Some(rest.to_owned());
            } else if !line.trim().is_empty() {
                strange.get_or_insert(line);
            }
        }
        if inside.programs.is_empty() {
            inside.trouble = Some(strange.unwrap_or_else(|| "supervisor names no program".to_owned()));
        }
        inside
    }

    /// Where it could not be asked at all.
    pub fn away(why: &str) -> Self {
        Self {
            trouble: Some(shortened(&sanitize(why), LONGEST)),
            ..Self::default()
        }
    }

    /// A program by its name.
    pub fn program(&self, name: &str) -> Option<&Program> {
        self.programs.iter().find(|program| program.name == name)
    }
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-:".contains(c);
    !text.is_empty() && text.len() <= 64 && text.chars().all(fits)
}

/// `pid 12, uptime 1 day, 2:03:04`
fn uptime(detail: &str) -> Option<u64> {
    let (_, text) = detail.split_once("uptime ")?;
    let (days, clock) = match text.split_once(", ") {
        Some((days, clock)) => (word(days).0.parse::<u64>().ok()?, clock),
        None => (0, text),
    };
    let parts = clock.split(':').map(|part| part.trim().parse::<u64>().ok());
    let seconds = parts
        .take(3)
        .try_fold(0_u64, |all, part| all.checked_mul(60)?.checked_add(part?))?;
    days.checked_mul(86400)?.checked_add(seconds)
}

#[cfg(test)]
mod tests {
    use super::{Inside, State};

    const REAL: &str = "\
code                             RUNNING   pid 79, uptime 0:00:25
desktop                          BACKOFF   Exited too quickly (process log may have details)
packages                         EXITED    Nov 23 12:56 AM
ssh                              RUNNING   pid 76, uptime 1 day, 2:03:04
vnc                              FATAL     can't find command '/usr/bin/Xtigervnc'
refused dind the workspace may not mount
answers dind OK
";

    #[test]
    fn supervisors_table_is_read() {
        let inside = Inside::read(REAL.as_bytes());
        let state = |name| {
            inside
                .program(name)
                .map(|program| (program.state, program.uptime))
        };
        assert_eq!(state("code"), Some((State::Running, Some(25))));
        assert_eq!(
            state("ssh"),
            Some((State::Running, Some(86400 + 2 * 3600 + 3 * 60 + 4)))
        );
        assert_eq!(state("desktop"), Some((State::Backoff, None)));
        assert_eq!(state("packages"), Some((State::Exited, None)));
        assert_eq!(
            inside.program("vnc").unwrap().detail,
            "can't find command '/usr/bin/Xtigervnc'"
        );
        assert_eq!(
            inside.refused,
            [("dind".into(), "the workspace may not mount".into())]
        );
        assert_eq!(
            (inside.dind.as_deref(), inside.trouble.as_deref()),
            (Some("OK"), None)
        );
    }

    #[test]
    fn without_programs_it_is_said_why() {
        let gone = Inside::read(b"unix:///run/supervisor.sock no such file\n");
        assert_eq!(
            gone.trouble.as_deref(),
            Some("unix:///run/supervisor.sock no such file")
        );
        assert!(Inside::read(b"").trouble.is_some());
    }

    #[test]
    fn what_a_user_writes_there_does_no_harm() {
        let mut hostile =
            b"\x1b]0;owned\x07vnc\x1b[2J RUNNING \x1b[31mpid\x00 9, uptime 99999999999999999999 days, 1:1\n"
                .to_vec();
        hostile.extend(b"../../etc RUNNING\n\xff\xfe\xfd\n".repeat(9));
        hostile.extend(b"x".repeat(1 << 20));
        hostile.extend(b"\nssh RUNNING pid 1, uptime 18446744073709551615 days, 18446744073709551615:1:1\n");
        let inside = Inside::read(&hostile);
        let text = serde_json::to_string(&inside).unwrap();
        assert!(!text.contains("\\u001b") && text.len() < 2000, "{text}");
        assert_eq!(inside.programs.len(), 2, "{inside:?}");
        assert!(inside.programs.iter().all(|program| program.uptime.is_none()));
    }
}
