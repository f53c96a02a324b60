//! Why an action probably failed: the rows of `assets/causes.toml`, looked for in what the action said.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
    sync::LazyLock,
};

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::log::{redact, sanitize};

const TABLE: &str = include_str!("../../assets/causes.toml");
/// Bytes at the end of a log that are looked at.
const LOOKED_AT: u64 = 256 * 1024;
/// Characters of the evidence.
const SHOWN: usize = 240;

/// A likely cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Its name in the table.
    pub id: String,
    /// What it is: ends the sentence "likely cause: …".
    pub is: String,
    /// What to do about it.
    pub mend: String,
    /// The line that says so; safe to show.
    pub evidence: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    cause: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    line: String,
    is: String,
    mend: String,
}

/// The table is ours: a test shows that it can be read.
static ROWS: LazyLock<Vec<(Regex, Row)>> = LazyLock::new(|| rows().unwrap_or_default());

fn rows() -> Option<Vec<(Regex, Row)>> {
    let table: Table = toml::from_str(TABLE).ok()?;
    let compiled = |row: Row| {
        let line = RegexBuilder::new(&row.line).case_insensitive(true).build();
        Some((line.ok()?, row))
    };
    table.cause.into_iter().map(compiled).collect()
}

/// The first row of the table that a line matches, with the last such line.
pub fn likely(lines: &[String]) -> Option<Cause> {
    ROWS.iter().find_map(|(pattern, row)| {
        let line = lines.iter().rev().find(|line| pattern.is_match(line))?;
        let line = redact::text(line.trim(), &[]);
        Some(Cause {
            id: row.id.clone(),
            is: row.is.clone(),
            mend: row.mend.clone(),
            evidence: line.chars().take(SHOWN).collect(),
        })
    })
}

/// The likely cause of an action that failed with an error: looked for in the error and in what the action said last in
/// its log, which begins with a line `==> SENTENCE`.
pub(super) fn of_action(error: &str, log: &Path, sentence: &str) -> Option<Cause> {
    // Of two lines that say the same the one of the log is shown: the error quotes it.
    let mut lines: Vec<String> = error.lines().map(sanitize).collect();
    let ours = lines.first().map(|first| format!("!! {first}"));
    lines.extend(
        said(log, sentence)
            .into_iter()
            .filter(|line| Some(line) != ours.as_ref()),
    );
    likely(&lines)
}

/// What an action said last; nothing where the log cannot be read.
fn said(log: &Path, sentence: &str) -> Vec<String> {
    let text = tail(log, LOOKED_AT).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mark = format!("==> {sentence}");
    let all: Vec<&str> = text.lines().collect();
    let from = all.iter().rposition(|line| *line == mark).map_or(0, |at| at + 1);
    let of_action = all.iter().skip(from);
    of_action
        .take_while(|line| !line.starts_with("==> "))
        .map(|line| sanitize(line))
        .collect()
}

/// The end of a file.
pub(super) fn tail(path: &Path, bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut read = vec![];
    file.take(bytes).read_to_end(&mut read)?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(lines: &[&str]) -> Option<String> {
        let lines: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        likely(&lines).map(|c| c.id)
    }

    const REAL: &[(&str, &str)] = &[
        (
            "no-space",
            "tar: ./usr/lib/x: Cannot write: No space left on device",
        ),
        (
            "out-of-memory",
            "c++: fatal error: Killed signal terminated program cc1plus",
        ),
        (
            "out-of-memory",
            "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2.00 GiB",
        ),
        ("dns", "curl: (6) Could not resolve host: archlinux.org"),
        ("dns", "  Temporary failure resolving 'deb.debian.org'"),
        ("dns", "wget: bad address 'example.org'"),
        (
            "proxy",
            "curl: (56) Received HTTP code 407 from proxy after CONNECT: 407 Proxy Authentication Required",
        ),
        (
            "tls",
            "curl: (60) SSL certificate problem: unable to get local issuer certificate",
        ),
        (
            "tls",
            "Get \"https://x/\": x509: certificate signed by unknown authority",
        ),
        (
            "network",
            "curl: (7) Failed to connect to 10.0.0.1 port 443 after 3 ms: Connection refused",
        ),
        (
            "apt-lock",
            "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr)",
        ),
        (
            "apt-lock",
            "error: failed to init transaction (unable to lock database)",
        ),
        (
            "package-database",
            "E: dpkg was interrupted, you must manually run 'dpkg --configure -a'",
        ),
        (
            "signature",
            "error: archlinux-keyring: signature from \"X <x@y>\" is unknown trust",
        ),
        ("missing-package", "E: Unable to locate package python3-pipx"),
        ("missing-package", "error: target not found: rocm-hip-sdk"),
        (
            "missing-package",
            "ERROR: No matching distribution found for torch==9.9",
        ),
        (
            "checksum",
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES: hashes do not match",
        ),
        (
            "image-not-found",
            "Failed creating instance: Image \"nowhere/bb\" not found",
        ),
        (
            "gpu-busy",
            "RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable",
        ),
        (
            "gpu-missing",
            "RuntimeError: No CUDA GPUs are available; no GPU found",
        ),
        (
            "gpu-missing",
            "Failed to initialize NVML: Driver/library version mismatch",
        ),
        (
            "permission",
            "mkdir: cannot create directory '/models/x': Permission denied",
        ),
        ("daemon", "LXD daemon is shutting down"),
        ("tool-missing", "sh: 3: git: not found"),
        ("killed", "the script ended with 137: "),
    ];

    #[test]
    fn every_row_can_be_read_and_has_a_real_line() {
        assert!(rows().is_some_and(|rows| rows.len() > 15));
        for (id, line) in REAL {
            assert_eq!(cause(&[line]).as_deref(), Some(*id), "{line}");
        }
        for row in rows().unwrap() {
            assert!(
                REAL.iter().any(|(id, _)| *id == row.1.id) || row.1.id == "read-only",
                "{}",
                row.1.id
            );
        }
    }

    #[test]
    fn the_first_cause_counts_not_the_first_line() {
        let lines = [
            "Temporary failure resolving 'deb.debian.org'",
            "E: Unable to locate package git",
        ];
        assert_eq!(cause(&lines).as_deref(), Some("dns"));
        assert_eq!(cause(&["greeting line 1", "all is well"]), None);
    }

    #[test]
    fn only_what_the_action_said_last_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("lab.log");
        let text = "==> get\nNo space left on device\n==> install\nfirst try: Permission denied\n==> install\n\x1b[31mE: Unable to \
                    locate package x\x1b[0m token=hf_abcdefghijklmnopqrstuvwx\n";
        std::fs::write(&log, text).unwrap();
        let cause = of_action("the script ended with 100", &log, "install").unwrap();
        assert_eq!(cause.id, "missing-package");
        assert!(
            cause.evidence.starts_with("E: Unable to locate package x"),
            "{}",
            cause.evidence
        );
        assert!(
            !cause.evidence.contains("abcdef") && !cause.evidence.contains('\x1b'),
            "{}",
            cause.evidence
        );
        let gone = of_action("no space left on device", &folder.path().join("none"), "x");
        assert_eq!(gone.unwrap().id, "no-space");
    }
}
