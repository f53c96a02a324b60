//! Questions on stdin and stdout, a line each. Reads only while a question is open, so that a shell or sudo may read in
//! between; the end of the input and Ctrl-C are answers too.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::{
    cli::{Stop, signals::Ear},
    log::clean,
};

/// Longest line that is taken, in bytes; what follows is cut.
const LONGEST: usize = 8192;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Left {
    /// `q`: the user wants no more.
    Quit,
    /// The input ended, or Ctrl-C.
    Gone,
    /// SIGTERM or SIGHUP, with the program's exit code.
    Ended(u8),
    /// Something failed; something else can still be done.
    Failed(Stop),
    /// There is nothing to ask about: the engine does not answer.
    Away(Stop),
}

impl From<Stop> for Left {
    fn from(error: Stop) -> Self {
        Self::Failed(error)
    }
}

impl From<crate::backend::Error> for Left {
    fn from(error: crate::backend::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<crate::plan::PlanError> for Left {
    fn from(error: crate::plan::PlanError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<crate::run::lock::LockError> for Left {
    fn from(error: crate::run::lock::LockError) -> Self {
        Self::Failed(error.into())
    }
}

/// Writes a line.
pub(super) fn say(text: &str) {
    crate::cli::table::out(&crate::log::sanitize_text(text));
}

/// Asks for a line. The answer is trimmed; of a secret only its line break is.
pub(super) async fn line(question: &str) -> Result<String, Left> {
    Ok(read(question, false).await?.trim().to_owned())
}

/// Asks for a line that is not shown while it is typed.
pub(super) async fn secret(question: &str) -> Result<String, Left> {
    read(question, true).await
}

/// Asks until one of `1..=count` is answered; an empty line is `default`, `q` leaves.
pub(super) async fn number(question: &str, count: usize, default: Option<usize>) -> Result<usize, Left> {
    loop {
        let given = line(&match default {
            Some(default) => format!("{question} [{default}]: "),
            None => format!("{question}: "),
        })
        .await?;
        match (given.as_str(), given.parse::<usize>(), default) {
            ("", _, Some(default)) => return Ok(default),
            ("q", ..) => return Err(Left::Quit),
            (_, Ok(number), _) if (1..=count).contains(&number) => return Ok(number),
            _ => say(&format!("Please type a number from 1 to {count}, or q to leave.")),
        }
    }
}

/// Numbers of a line such as `1,3` or `1 3`, each within `1..=count`, in order and once.
pub(super) fn numbers(text: &str, count: usize) -> Option<Vec<usize>> {
    let words = text.split([',', ' ']).filter(|w| !w.is_empty());
    let mut found = words
        .map(|w| w.parse().ok().filter(|n| (1..=count).contains(n)))
        .collect::<Option<Vec<usize>>>()?;
    found.sort_unstable();
    found.dedup();
    Some(found)
}

/// Asks until it is answered with yes or no; an empty line is `default`.
pub(super) async fn yes(question: &str, default: bool) -> Result<bool, Left> {
    let choices = if default { "Y/n" } else { "y/N" };
    loop {
        match line(&format!("{question} [{choices}]: "))
            .await?
            .to_lowercase()
            .as_str()
        {
            "" => return Ok(default),
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            "q" => return Err(Left::Quit),
            _ => say("Please type y for yes or n for no."),
        }
    }
}

async fn read(question: &str, hidden: bool) -> Result<String, Left> {
    // Before the question is there to be answered with Ctrl-C: who listens later misses it.
    let mut ear = Ear::listen().map_err(Stop::from)?;
    // Here, and not where the line is read: a signal leaves that thread behind as it is.
    let silence = hidden.then(Silence::begin);
    let mut out = std::io::stdout();
    let _ = write!(out, "{}", clean(question));
    let _ = out.flush();
    let reading = tokio::task::spawn_blocking(read_line);
    let line = tokio::select! {
        line = reading => line.map_err(|e| Stop::new(super::Code::FAILED, e))?.ok_or(Left::Gone),
        code = ear.hear() => Err(left(code)),
    };
    drop(silence);
    if line.is_err() || hidden || !std::io::stdin().is_terminal() {
        // What comes next does not stand beside the question: no enter was shown on the terminal.
        let _ = writeln!(out);
    }
    line
}

/// What a signal with this exit code means.
fn left(code: u8) -> Left {
    if code == super::CANCELLED.0 {
        return Left::Gone;
    }
    Left::Ended(code)
}

/// What is waited for, unless a signal comes first.
pub(super) async fn unless_interrupted<T>(work: impl Future<Output = T> + Send) -> Result<T, Left> {
    let mut ear = Ear::listen().map_err(Stop::from)?;
    tokio::select! {
        done = work => Ok(done),
        code = ear.hear() => Err(left(code)),
    }
}

/// One line of the input; none at its end. A last line without a line break is one too.
fn read_line() -> Option<String> {
    let mut bytes = vec![];
    let mut input = std::io::stdin().lock();
    let count = input.read_until(b'\n', &mut bytes).ok()?;
    if count == 0 {
        return None;
    }
    bytes.truncate(LONGEST);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Some(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// While it lives, the terminal shows nothing of what is typed.
struct Silence(Option<Termios>);

impl Silence {
    fn begin() -> Self {
        let input = std::io::stdin();
        if !input.is_terminal() {
            return Self(None);
        }
        let before = tcgetattr(&input).ok();
        if let Some(mut modes) = before.clone() {
            modes.local_modes.remove(LocalModes::ECHO);
            let _ = tcsetattr(&input, OptionalActions::Now, &modes);
        }
        Self(before)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn numbers_are_within_their_range_in_order_and_once() {
        assert_eq!(numbers("2, 1 2", 2), Some(vec![1, 2]));
        assert_eq!(numbers("", 2), Some(vec![]));
        assert_eq!(numbers("3", 2), None);
        assert_eq!(numbers("0", 2), None);
        assert_eq!(numbers("one", 2), None);
    }
}
