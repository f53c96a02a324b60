//! Plain text out: tables, notes on stderr, JSON lines. All text that is not ours is sanitised here.

use std::io::Write as _;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::Stop;

/// Writes a line to stdout. A closed pipe is not an error: the reader has seen enough.
pub(super) fn out(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Whether anybody still reads stdout.
pub(super) fn is_read() -> bool {
    let out = std::io::stdout();
    let mut fds = [PollFd::new(&out, PollFlags::empty())];
    let asked = poll(&mut fds, Some(&Timespec::default()));
    !(asked.is_ok()
        && fds
            .iter()
            .any(|fd| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP)))
}

/// Writes lines to stderr. Whatever is in them, they drive no terminal.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", crate::log::sanitize_text(text));
}

/// Writes one JSON document.
pub(super) fn json<T: Serialize>(value: &T) -> Result<(), Stop> {
    let text = serde_json::to_string(value).map_err(|e| Stop::new(super::Code::FAILED, e))?;
    out(&text);
    Ok(())
}

/// Writes one JSON document whose texts are not ours: what would act on a terminal is taken out of them.
pub(super) fn foreign_json<T: Serialize>(value: &T) -> Result<(), Stop> {
    let mut value = serde_json::to_value(value).map_err(|e| Stop::new(super::Code::FAILED, e))?;
    clean(&mut value);
    json(&value)
}

fn clean(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = crate::log::sanitize(text),
        serde_json::Value::Array(values) => values.iter_mut().for_each(clean),
        serde_json::Value::Object(values) => {
            let old = std::mem::take(values);
            *values = old
                .into_iter()
                .map(|(key, mut value)| {
                    clean(&mut value);
                    (crate::log::sanitize(&key), value)
                })
                .collect();
        }
        _ => {}
    }
}

/// Rows under a heading, in columns as wide as their widest cell.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let clean: Vec<Vec<String>> = rows
        .iter()
        .map(|r| r.iter().map(|c| crate::log::sanitize(c)).collect())
        .collect();
    let heading: Vec<String> = heading.iter().map(|h| (*h).to_owned()).collect();
    let all = || std::iter::once(&heading).chain(&clean);
    let widths: Vec<usize> = (0..heading.len())
        .map(|i| {
            all()
                .filter_map(|r| r.get(i))
                .map(|c| c.width())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(c, w)| format!("{c}{}", " ".repeat(w - c.width().min(*w))));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(line).collect::<Vec<_>>().join("\n")
}

/// How long ago an RFC 3339 time is: `3 d`, `2 h`, `5 min`, `now`. Not a time: empty.
pub(super) fn age(created: &str) -> String {
    let Ok(then) = created.parse::<jiff::Timestamp>() else {
        return String::new();
    };
    let seconds = jiff::Timestamp::now().as_second() - then.as_second();
    match seconds {
        // LXD 5.0 answers year 1 for what it does not know.
        s if s > 3_000_000_000 => String::new(),
        s if s < 60 => "now".into(),
        s if s < 3600 => format!("{} min", s / 60),
        s if s < 48 * 3600 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86400),
    }
}

/// Bytes for people; unknown where none.
pub(super) fn bytes(size: Option<u64>) -> String {
    size.map_or_else(|| "unknown".into(), crate::stage::size::human)
}

/// Seconds for people.
pub(super) fn duration(seconds: u32) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}
