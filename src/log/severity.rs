//! Which lines of a log say that something went wrong.
//!
//! One table for all who look for errors, so that the viewer's "next error" key and the progress of a job agree.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::rules;

/// Bytes of a line that are looked at; what is wrong is said early in a line.
const LOOKED_AT: usize = 4096;

/// How bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look.
    Warning,
    /// Something failed.
    Error,
}

/// What a raw line of a log says of itself. Colours in it do not matter; only its first 4096 bytes count.
pub fn severity(line: &[u8]) -> Option<Severity> {
    let line = line.get(..LOOKED_AT).unwrap_or(line);
    let line = if memchr::memchr2(0x1b, b'\r', line).is_some() {
        let text = String::from_utf8_lossy(line);
        Cow::Owned(super::sanitize_line(text.as_bytes()).to_string().into_bytes())
    } else {
        Cow::Borrowed(line)
    };
    rules::built_in().level(&line)
}
