//! A report of a run for somebody else: one archive with its plan, journal, the ends of its logs and facts of the
//! machine, sanitised and without secrets. Nothing is sent anywhere.

use std::{
    io::{self, Write as _},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};

use crate::{
    log::{redact, sanitize_text},
    paths::write_private,
};

use super::{aftermath, causes, journal::Record};

/// Bytes of the end of each log.
const TAIL: u64 = 256 * 1024;
/// A file of a run that is larger is no plan and no journal of ours.
const LARGEST: u64 = 4 * 1024 * 1024;

/// What is in a report beside what the run's folder holds.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// Further files: name and text.
    pub files: Vec<(String, String)>,
    /// Values that must not be in it.
    pub secrets: Vec<String>,
    /// The home folder, which is written as `~`.
    pub home: Option<String>,
}

/// Writes the report (0600) to a file, replacing one that is there.
///
/// # Errors
/// The run cannot be read, or the file cannot be written.
pub fn save(record: &Record, extra: &Extra, to: &Path) -> io::Result<()> {
    let mut files = vec![("README.txt".to_owned(), readme(record))];
    for name in ["plan.json", "journal.jsonl"] {
        let bytes = causes::tail(&record.folder.join(name), LARGEST)?;
        files.push((name.to_owned(), String::from_utf8_lossy(&bytes).into_owned()));
    }
    files.extend(logs(record));
    files.extend(extra.files.iter().cloned());
    let cleaned = files.into_iter().map(|(name, text)| {
        let text = clean(&name, &text, extra);
        (name, text)
    });
    let bytes = archive(&format!("halolab-{}", record.id), cleaned)?;
    write_private(to, &bytes)?;
    Ok(())
}

/// The ends of the logs.
fn logs(record: &Record) -> Vec<(String, String)> {
    let labs = record.plan.labs.iter().map(|t| t.lab.as_str());
    let read = |lab: &str| {
        let name = format!("{lab}.log");
        let bytes = causes::tail(&record.folder.join(&name), TAIL).ok()?;
        Some((name, String::from_utf8_lossy(&bytes).into_owned()))
    };
    std::iter::once("host").chain(labs).filter_map(read).collect()
}

fn clean(name: &str, text: &str, extra: &Extra) -> String {
    // JSON escapes what could drive a terminal; a line of a log that is cut is still a line.
    let safe = name.contains(".json");
    let text = if safe {
        text.to_owned()
    } else {
        sanitize_text(text)
    };
    let text = redact::text(&text, &extra.secrets);
    match extra.home.as_deref().filter(|home| home.len() > 1) {
        Some(home) => text.replace(home, "~"),
        None => text,
    }
}

fn readme(record: &Record) -> String {
    let mut lines = vec![
        format!("Report of the halolab run {}", record.id),
        format!(
            "halolab {} on {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::ARCH
        ),
        format!(
            "{} of {} actions ended well; the run {}",
            record.finished,
            record.plan.actions().count(),
            record
                .code
                .map_or("never ended".to_owned(), |code| format!("ended with {code}")),
        ),
        String::new(),
    ];
    for failed in aftermath::failures(record) {
        lines.push(format!(
            "{}: \"{}\" failed: {}",
            failed.lab, failed.sentence, failed.error
        ));
        if let Some(cause) = failed.cause {
            lines.push(format!("  likely cause: {}", cause.is));
            lines.push(format!("  the line: {}", cause.evidence));
        }
        lines.push(format!("  kept: {}", failed.kept));
    }
    lines.push(String::new());
    lines.push("What looked like a password, token or key was replaced by [redacted]. Look through it before you share it.".into());
    lines.join("\n") + "\n"
}

/// A gzipped tar archive in memory: its parts are bounded.
fn archive(folder: &str, files: impl Iterator<Item = (String, String)>) -> io::Result<Vec<u8>> {
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0);
    let mut tar = tar::Builder::new(GzEncoder::new(vec![], Compression::default()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(now);
        tar.append_data(&mut header, format!("{folder}/{name}"), text.as_bytes())?;
    }
    let mut gzip = tar.into_inner()?;
    gzip.flush()?;
    gzip.finish()
}
