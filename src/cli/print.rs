//! A run on stderr and stdout: its events as sentences or JSON lines, and what its commands say.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use crate::{
    log::{sanitize, sanitize::LINE_BYTES, sanitize_text},
    plan::{Plan, planner::HOST},
    run::{Event, log_file},
};

use super::{
    Setup,
    table::{note, out},
};

/// Bytes of a log that are read at a time.
const CHUNK: u64 = 64 * 1024;

/// Prints the events of one run.
pub(super) struct Printer {
    json: bool,
    quiet: bool,
    logs: BTreeMap<String, Follow>,
}

impl Printer {
    /// A printer for a run that has not begun: what its logs hold already was shown before.
    pub(super) fn new(setup: &Setup, plan: &Plan, id: &str) -> Self {
        let labs = plan.labs.iter().map(|t| t.lab.as_str()).chain([HOST]);
        let follow = |lab: &str| Follow::from_end(log_file(&setup.runs(), id, lab));
        Self {
            json: setup.global.json,
            quiet: setup.global.quiet,
            logs: labs.map(|lab| (lab.to_owned(), follow(lab))).collect(),
        }
    }

    pub(super) fn print(&mut self, event: &Event) {
        if self.json {
            let mut value = serde_json::to_value(event).unwrap_or_default();
            if let Some(object) = value.as_object_mut() {
                object.insert("v".into(), 1.into());
                object.insert("ts".into(), jiff::Timestamp::now().to_string().into());
            }
            out(&value.to_string());
            return;
        }
        match event {
            Event::Plan { run, actions, .. } => note(&format!("run {run}: {actions} actions")),
            Event::StepStarted { lab, sentence, .. } => note(&format!("[{lab}] {}", sanitize(sentence))),
            Event::Late { lab, text, .. } => note(&format!("[{lab}]   {text}")),
            Event::Output { lab, bytes } => self.output(lab, *bytes),
            Event::Verdict { lab, verdict, .. } => note(&format!("[{lab}] verdict: {}", sanitize(verdict))),
            Event::Failed {
                lab,
                error,
                kept,
                next,
                optional,
                cause,
                ..
            } => {
                let word = if *optional {
                    "did not work (optional)"
                } else {
                    "FAILED"
                };
                note(&format!("[{lab}] {word}: {}", sanitize_text(error)));
                if let Some(cause) = cause {
                    note(&format!(
                        "[{lab}] likely cause: {}\n[{lab}] the line: {}\n[{lab}] mend: {}",
                        cause.is, cause.evidence, cause.mend
                    ));
                }
                if !optional {
                    note(&format!("[{lab}] kept: {kept}\n[{lab}] next: {next}"));
                }
            }
            Event::Done { summary, .. } => summary.iter().for_each(|line| out(&sanitize(line))),
            Event::Progress { .. } | Event::StepFinished { .. } => {}
        }
    }

    /// Shows what was added to a lab's log, line by line, unless --quiet.
    fn output(&mut self, lab: &str, bytes: u64) {
        if self.quiet {
            return;
        }
        let Some(log) = self.logs.get_mut(lab) else {
            return;
        };
        // A log that cannot be read now is read from the same place at the next event.
        let _ = log.read(bytes, |line| {
            if !line.starts_with(b"==> ") {
                note(&format!("[{lab}]   {}", sanitize(&String::from_utf8_lossy(line))));
            }
        });
    }
}

/// A log that grows, read once and in pieces.
struct Follow {
    path: PathBuf,
    at: u64,
    lines: Lines,
}

impl Follow {
    fn from_end(path: PathBuf) -> Self {
        let at = length(&path);
        let lines = Lines::default();
        Self { path, at, lines }
    }

    /// Reads up to `end`, and gives each whole line.
    fn read(&mut self, end: u64, mut give: impl FnMut(&[u8])) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.at))?;
        let mut chunk = vec![];
        while self.at < end {
            chunk.clear();
            let size = CHUNK.min(end - self.at);
            let read = (&file).take(size).read_to_end(&mut chunk)?;
            if read == 0 {
                break;
            }
            self.at += read as u64;
            self.lines.take(&chunk, &mut give);
        }
        Ok(())
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

/// Cuts bytes into lines. Of a line that was drawn over with `\r`, as progress bars are, only the last state is left.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    returned: bool,
}

impl Lines {
    fn take(&mut self, bytes: &[u8], mut give: impl FnMut(&[u8])) {
        for byte in bytes {
            match byte {
                b'\n' => {
                    give(&self.line);
                    self.line.clear();
                    self.returned = false;
                }
                b'\r' => self.returned = true,
                byte => {
                    if std::mem::take(&mut self.returned) {
                        self.line.clear();
                    }
                    self.line.push(*byte);
                    if self.line.len() >= LINE_BYTES {
                        give(&self.line);
                        self.line.clear();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&str]) -> Vec<String> {
        let (mut lines, mut given) = (Lines::default(), vec![]);
        for chunk in chunks {
            lines.take(chunk.as_bytes(), |l| {
                given.push(String::from_utf8_lossy(l).into_owned());
            });
        }
        given
    }

    #[test]
    fn of_a_progress_bar_the_last_state_is_left() {
        assert_eq!(lines(&["one\r\ntw", "o\n\nrest"]), ["one", "two", ""]);
        assert_eq!(lines(&["10%\r50", "%\r100%", "\r\ndone\n"]), ["100%", "done"]);
    }

    #[test]
    fn a_line_without_an_end_does_not_grow_for_ever() {
        let (mut bars, mut given) = (Lines::default(), 0);
        for _ in 0..100_000 {
            bars.take(b"some percent\r", |_| given += 1);
        }
        assert_eq!((given, bars.line.len()), (0, 12));
        bars.take(&vec![b'x'; 3 * LINE_BYTES], |_| given += 1);
        assert_eq!((given, bars.line.len()), (3, 0));
    }

    #[test]
    fn what_was_there_before_the_run_is_not_shown_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lab.log");
        std::fs::write(&path, "old\n").unwrap();
        let mut log = Follow::from_end(path.clone());
        let big = "new line\n".repeat(20_000);
        std::fs::write(&path, format!("old\n{big}cut")).unwrap();
        let mut given = 0;
        let mut count = |line: &[u8]| {
            assert_eq!(line, b"new line");
            given += 1;
        };
        let end = length(&path);
        log.read(end - 3, &mut count).unwrap();
        log.read(end, &mut count).unwrap();
        assert_eq!(given, 20_000);
    }
}
