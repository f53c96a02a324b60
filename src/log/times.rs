//! When lines were written: from `FILE.times` beside the log (lines `EPOCH_MILLISECONDS BYTE_OFFSET`, written by who
//! runs the job), from the beginnings of the lines themselves, or from when they arrived here.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use jiff::{Timestamp, Zoned, civil, tz::TimeZone};

use super::{beside::Beside, blocks::Blocks, lines::Lines};

/// Arrivals that are remembered; then every second one is forgotten.
const ARRIVALS: usize = 16 * 1024;
/// Milliseconds between two of them.
const APART: i64 = 50;
/// Bytes of the table that are read at a time.
const PIECE: usize = 4096;
/// Bytes of a line that may hold its time.
const HEAD: u64 = 80;
/// Milliseconds of a day.
const DAY: i64 = 86_400_000;
/// Lines that are looked at for one with a time.
const TRIES: usize = 64;

/// Milliseconds since 1970, now.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(0))
}

/// What is known of the times of a log.
#[derive(Debug, Default)]
pub struct Times {
    beside: Beside,
    /// When bytes arrived: up to which offset, and when.
    arrivals: Vec<(u64, i64)>,
}

impl Times {
    /// Of a log with the table beside it, where one is there and is its own.
    pub fn of(path: Option<&Path>, log: &File) -> Self {
        let mut times = Self {
            beside: Beside::of(path),
            arrivals: vec![],
        };
        times.judge(log);
        times
    }

    /// The log begins anew: what came before is not of it.
    pub fn forget_arrivals(&mut self) {
        self.arrivals.clear();
    }

    /// Looks at the table again: the log changed.
    pub fn judge(&mut self, log: &File) {
        if let Ok(log) = log.metadata() {
            self.beside.judge(&log);
        }
    }

    /// The log grew from this size, just now.
    pub fn arrived(&mut self, from: u64, at: i64) {
        match self.arrivals.last() {
            Some((offset, last)) if at - last < APART || *offset >= from => {}
            _ => self.arrivals.push((from, at)),
        }
        if self.arrivals.len() > ARRIVALS {
            let mut keep = false;
            self.arrivals.retain(|_| {
                keep = !keep;
                keep
            });
        }
    }

    /// When the line at this offset was written; `text` is how it begins.
    pub fn of_line(&self, offset: u64, text: &str) -> Option<i64> {
        let told = self.beside.file().and_then(|table| written(table, offset));
        if let Some((time, true)) = told {
            return Some(time);
        }
        // What is longer than all that the table tells was written after its last line; while that follows, just after.
        if let Some((time, _)) = told.filter(|_| self.beside.follows()) {
            return Some(time);
        }
        parse(text).or_else(|| {
            let after = self.arrivals.partition_point(|(from, _)| *from <= offset);
            self.arrivals.get(after.checked_sub(1)?).map(|(_, at)| *at)
        })
    }

    /// When the first of the lines from a place on was written that tells it.
    pub fn from(&self, offset: u64, blocks: &mut Blocks) -> Option<i64> {
        let of_text = |blocks: &mut Blocks| {
            let end = blocks.len();
            timed_line(offset, end, blocks).map(|(_, time, _)| time)
        };
        if self.beside.follows()
            && let Some(time) = self.of_line(offset, "")
        {
            return Some(time);
        }
        of_text(blocks).or_else(|| self.of_line(offset, ""))
    }

    /// The table with its first and its last time; an empty one tells nothing.
    fn table(&self) -> Option<(&File, i64, i64)> {
        let table = self.beside.file()?;
        let (first, ..) = table_line(table, 0)?;
        Some((table, first, lookup(table, |_, _| true)?.0))
    }

    /// The first and the last time that the log tells.
    pub fn span(&self, blocks: &mut Blocks) -> Option<(i64, i64)> {
        if let Some((_, first, last)) = self.table() {
            if self.beside.follows() {
                return Some((first, last));
            }
            let came = self.arrivals.last().map(|(_, at)| *at);
            return Some((first, last.max(last_time(blocks).or(came).unwrap_or(last))));
        }
        let end = blocks.len();
        if let Some((_, first, _)) = timed_line(0, end, blocks) {
            return Some((first, last_time(blocks).unwrap_or(first)));
        }
        Some((self.arrivals.first()?.1, self.arrivals.last()?.1))
    }

    /// The first line that was not written before this time.
    pub fn offset_at(&self, time: i64, blocks: &mut Blocks) -> Option<u64> {
        if let Some((table, _, last)) = self.table()
            && (time <= last || self.beside.follows())
        {
            return Some(lookup(table, |at, _| at < time).map_or(0, |(_, offset)| offset));
        }
        if let Some(at) = search_lines(time, blocks) {
            return Some(at);
        }
        let after = self.arrivals.partition_point(|(_, at)| *at < time);
        match self.arrivals.get(after) {
            Some((offset, _)) => Some(*offset),
            None if self.arrivals.is_empty() => None,
            None => Some(blocks.len()),
        }
    }
}

/// When the byte at an offset was there: the first time at which the log was longer, or else the last time that is told,
/// which is before it; whether it was the first.
fn written(table: &File, offset: u64) -> Option<(i64, bool)> {
    let shorter = halves(table, |_, bytes| bytes <= offset);
    let next = shorter.map_or(0, |(.., end)| end);
    let longer = table_line(table, next).map(|(time, ..)| (time, true));
    longer.or_else(|| shorter.map(|(time, ..)| (time, false)))
}

/// The last line of the table for which `before` holds: it holds for the first ones only.
fn lookup(table: &File, before: impl Fn(i64, u64) -> bool) -> Option<(i64, u64)> {
    halves(table, before).map(|(time, bytes, _)| (time, bytes))
}

/// The same with the place where the line after it begins.
fn halves(table: &File, before: impl Fn(i64, u64) -> bool) -> Option<(i64, u64, u64)> {
    let len = table.metadata().ok()?.len();
    let (mut low, mut high) = (0, len);
    let mut best = None;
    // The line that begins at or after a place decides for the place.
    while low < high {
        let middle = low.midpoint(high);
        let Some((time, offset, _, end)) = table_line(table, middle) else {
            high = middle;
            continue;
        };
        if before(time, offset) {
            best = Some((time, offset, end));
            low = end.max(middle + 1);
        } else {
            high = middle;
        }
    }
    best
}

/// The first whole line of the table from a place on, and where it begins and ends.
fn table_line(table: &File, from: u64) -> Option<(i64, u64, u64, u64)> {
    let mut bytes = [0; PIECE];
    let start = from.saturating_sub(1);
    let read = table.read_at(&mut bytes, start).ok()?;
    let bytes = bytes.get(..read)?;
    let skip = if from == 0 {
        0
    } else {
        memchr::memchr(b'\n', bytes)? + 1
    };
    let line = bytes.get(skip..)?;
    let end = memchr::memchr(b'\n', line)?;
    let text = std::str::from_utf8(line.get(..end)?).ok()?;
    let (time, offset) = text.split_once(' ')?;
    let begin = start + skip as u64;
    Some((
        time.parse().ok().filter(|time: &i64| *time >= 0)?,
        offset.trim().parse().ok()?,
        begin,
        begin + end as u64 + 1,
    ))
}

/// Halves the log again and again: logs that tell times tell them in order.
fn search_lines(time: i64, blocks: &mut Blocks) -> Option<u64> {
    let (mut low, mut high) = (0, blocks.len());
    let mut any = false;
    while low < high {
        let middle = low.midpoint(high);
        let start = Lines::new(blocks, false).start_of(middle);
        match timed_line(start, high, blocks) {
            Some((_, when, next)) => {
                any = true;
                if when < time {
                    low = next.max(middle + 1);
                } else {
                    high = middle.min(start);
                }
            }
            None => high = middle.min(start),
        }
    }
    any.then(|| {
        let end = blocks.len();
        if low >= end {
            return Lines::new(blocks, false).last();
        }
        // What stands between two lines with times is of the first one.
        timed_line(low, end, blocks).map_or(low, |(at, ..)| at)
    })
}

/// The last time that lines tell, found by halves.
fn last_time(blocks: &mut Blocks) -> Option<i64> {
    let (mut low, mut high) = (0, blocks.len());
    let mut last = None;
    while low < high {
        let middle = low.midpoint(high);
        let start = Lines::new(blocks, false).start_of(middle);
        match timed_line(start, high, blocks) {
            Some((_, when, next)) => {
                last = Some(when);
                low = next.max(middle + 1);
            }
            None => high = middle.min(start),
        }
    }
    last
}

/// The first line from `start` on that tells its time, and where the line after it begins.
fn timed_line(start: u64, before: u64, blocks: &mut Blocks) -> Option<(u64, i64, u64)> {
    let mut at = start;
    for _ in 0..TRIES {
        let end = Lines::new(blocks, false).end_of(at);
        let head = blocks.bytes(at, end.min(at + HEAD));
        let line = super::row::decode(
            &head,
            ratatui::style::Style::default(),
            usize::try_from(HEAD).unwrap_or(80),
        );
        if let Some(time) = parse(&line.text) {
            return Some((at, time, end));
        }
        if end >= before {
            return None;
        }
        at = end;
    }
    None
}

/// The time that a line begins with: ISO 8601, with or without brackets, or as syslog writes it.
pub fn parse(text: &str) -> Option<i64> {
    // Spack: `==> [2026-11-21-23:28:48.126332] ...`
    let text = text.strip_prefix("==> ").unwrap_or(text);
    let text = text.strip_prefix('[').unwrap_or(text);
    let first = *text.as_bytes().first()?;
    if first.is_ascii_digit() {
        let end = text.find([']', ',']).unwrap_or(text.len()).min(40);
        let head = text.get(..end).unwrap_or(text);
        // `2026-11-22 10:56:38` are two words.
        let mut words = head.split(' ');
        let day = words.next()?;
        let joined = if day.len() == 10 {
            format!("{day}T{}", words.next()?)
        } else if day.as_bytes().get(10) == Some(&b'-') {
            format!("{}T{}", day.get(..10)?, day.get(11..)?)
        } else {
            day.to_owned()
        };
        if joined.len() < 19 {
            return None;
        }
        return moment(&joined);
    }
    if first.is_ascii_uppercase() {
        let head = text.get(..15)?;
        let year = Zoned::now().year();
        let read = |year| civil::DateTime::strptime("%Y %b %e %H:%M:%S", format!("{year} {head}"));
        let at = local(read(year).ok()?)?;
        // No year is written: what would be in the future is of last year.
        let later = at > now().saturating_add(DAY);
        return if later {
            local(read(year - 1).ok()?)
        } else {
            Some(at)
        };
    }
    None
}

fn moment(text: &str) -> Option<i64> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_millisecond());
    }
    local(text.parse::<civil::DateTime>().ok()?)
}

pub(super) fn local(at: civil::DateTime) -> Option<i64> {
    let zoned = at.to_zoned(TimeZone::system()).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

/// A time as it is shown beside a line, twelve columns wide.
pub fn absolute(at: i64) -> String {
    let Ok(stamp) = Timestamp::from_millisecond(at) else {
        return "?".into();
    };
    stamp
        .to_zoned(TimeZone::system())
        .strftime("%H:%M:%S%.3f")
        .to_string()
}

/// The time since another one, twelve columns wide.
pub fn relative(at: i64, since: i64) -> String {
    // The times of a log are whatever somebody wrote.
    let by = at.saturating_sub(since);
    let (sign, by) = (if by < 0 { "-" } else { "+" }, by.unsigned_abs());
    let (hours, minutes) = (by / 3_600_000, by / 60_000 % 60);
    let seconds = format!("{:02}.{:03}", by / 1000 % 60, by % 1000);
    if hours > 0 {
        format!(
            "{sign}{hours}:{minutes:02}:{}",
            seconds.get(..2).unwrap_or_default()
        )
    } else {
        format!("{sign}{minutes}:{seconds}")
    }
}
