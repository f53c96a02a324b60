//! A report of a run for somebody else: one archive with its plan, journal, the ends of its logs and facts of the
//! machine, sanitised and without secrets. Nothing is sent anywhere.

use std::{
    ffi::OsStr,
    io::{self, Write as _},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

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
        files.push((name.to_owned(), end(&record.folder.join(name), LARGEST)?));
    }
    files.extend(logs(record));
    pack(&format!("halolab-{}", record.id), files, extra, to)
}

/// Writes these files and the further ones as a report (0600) with one folder in it, each cleaned of secrets and of what
/// could drive a terminal; replaces a file that is there.
///
/// # Errors
/// The file cannot be written.
pub fn pack(folder: &str, mut files: Vec<(String, String)>, extra: &Extra, to: &Path) -> io::Result<()> {
    files.extend(extra.files.iter().cloned());
    let cleaned = files.into_iter().map(|(name, text)| {
        let text = clean(&name, &text, extra);
        (name, text)
    });
    let bytes = archive(folder, cleaned)?;
    write_private(to, &bytes)?;
    Ok(())
}

/// The ends of the logs.
fn logs(record: &Record) -> Vec<(String, String)> {
    let labs = record.plan.labs.iter().map(|t| t.lab.as_str());
    let read = |lab: &str| {
        let name = super::log_name(lab);
        let text = end(&record.folder.join(&name), TAIL).ok()?;
        Some((name, text))
    };
    std::iter::once("host").chain(labs).filter_map(read).collect()
}

/// The end of a file. A first line that was cut is left out: half a secret does not look like one.
fn end(path: &Path, bytes: u64) -> io::Result<String> {
    let read = causes::tail(path, bytes)?;
    let lines = if (read.len() as u64) < bytes {
        read.as_slice()
    } else {
        read.splitn(2, |byte| *byte == b'\n').nth(1).unwrap_or_default()
    };
    Ok(String::from_utf8_lossy(lines).into_owned())
}

/// What of a file may be in the report. JSON is cleaned string by string: escaped, a secret looks like none, and JSON
/// escapes not all that could drive a terminal.
fn clean(name: &str, text: &str, extra: &Extra) -> String {
    match Path::new(name).extension().and_then(OsStr::to_str) {
        Some("json") => match serde_json::from_str(text) {
            Ok(value) => format!("{:#}\n", clean_json(value, extra)),
            Err(_) => clean_text(text, extra),
        },
        Some("jsonl") => {
            let lines: Vec<String> = text.lines().map(|line| clean_line(line, extra)).collect();
            lines.join("\n") + "\n"
        }
        _ => clean_text(text, extra),
    }
}

/// A line of JSON; what is none, as one that a crash cut, is text.
fn clean_line(line: &str, extra: &Extra) -> String {
    match serde_json::from_str(line) {
        Ok(value) => clean_json(value, extra).to_string(),
        Err(_) => clean_text(line, extra),
    }
}

fn clean_json(value: Value, extra: &Extra) -> Value {
    redact::json(value, &|text| clean_text(text, extra))
}

fn clean_text(text: &str, extra: &Extra) -> String {
    // Known values go before, too: a text that is made safe may be cut within one.
    let text = sanitize_text(&redact::known(text, &extra.secrets));
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
                .map_or_else(|| "never ended".to_owned(), |code| format!("ended with {code}")),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn extra() -> Extra {
        Extra {
            files: vec![],
            secrets: vec!["can\"ary\\1\nline two".into()],
            home: Some("/home/somebody".into()),
        }
    }

    #[test]
    fn secrets_within_the_strings_of_json_go() {
        let said = "{\"password\": \"hunter2\"} at /home/somebody/x";
        let known = "said can\"ary\\1\nline two";
        let lines = [
            serde_json::json!({"v": 1, "error": said}).to_string(),
            String::new(),
            serde_json::json!({"v": 1, "error": known, "secrets": ["lab/token"]}).to_string(),
            serde_json::json!({"env": {"HF_TOKEN": "two words"}, "script": "PASSWORD=abc,def"}).to_string(),
            "{\"v\":1,\"error\":\"say \\\"token\\\": \\\"half a".to_owned(),
        ];
        let cleaned = clean("journal.jsonl", &lines.join("\n"), &extra());
        let found: Vec<&str> = cleaned.lines().collect();
        assert_eq!(
            found,
            [
                r#"{"error":"{\"password\": \"[redacted]\"} at ~/x","v":1}"#,
                "",
                r#"{"error":"said [redacted]","secrets":["lab/token"],"v":1}"#,
                r#"{"env":{"HF_TOKEN":"[redacted]"},"script":"PASSWORD=[redacted]"}"#,
                r#"{"v":1,"error":"say \"token\": \"[redacted]"#,
            ]
        );
        let plan = serde_json::to_string_pretty(&serde_json::json!({"script": known, "said": said})).unwrap();
        let cleaned = clean("plan.json", &plan, &extra());
        let wanted = serde_json::json!({
            "script": "said [redacted]", "said": "{\"password\": \"[redacted]\"} at ~/x",
        });
        assert_eq!(serde_json::from_str::<Value>(&cleaned).unwrap(), wanted);
        assert!(cleaned.contains("\n  \"said\""), "{cleaned}");
    }

    #[test]
    fn nothing_in_json_drives_a_terminal() {
        let given = serde_json::json!({"a\u{9b}31m": "\u{1b}[31mred\u{9b}2J\u{85}\u{202e}txt\u{7f}"});
        for name in ["x.json", "x.jsonl", "x.log"] {
            let cleaned = clean(name, &given.to_string(), &extra());
            let bad = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!cleaned.contains(bad), "{name}: {cleaned:?}");
            assert!(cleaned.contains("<U+202E>"), "{name}: {cleaned:?}");
        }
    }

    #[test]
    fn a_log_that_begins_within_a_line_or_a_key_keeps_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lab.log");
        let text = "password=hunter2\nAAAAkey\n-----END RSA PRIVATE KEY-----\nnext\n";
        std::fs::write(&path, text).unwrap();
        let read = end(&path, text.len() as u64 - 4).unwrap();
        assert_eq!(clean("lab.log", &read, &extra()), "[redacted]\nnext\n");
        assert_eq!(end(&path, 1024).unwrap(), text);
    }
}
