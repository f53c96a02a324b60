//! Times as people type them, and where they lead in a log.

use jiff::{Timestamp, Zoned, civil, tz::TimeZone};

use super::{
    blocks::Blocks,
    page::Landing,
    times::{Times, local},
};

/// A time that was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// In milliseconds since 1970.
    At(i64),
    /// On a day that the log decides.
    Clock(civil::Time),
    /// So many milliseconds before the log's last line.
    Ago(i64),
}

/// A time as people type it: `12:34`, `3:00`, `12:34:56`, `2026-11-22 12:34`; `-10m`: before the last line.
pub fn typed(text: &str) -> Option<Typed> {
    let text = text.trim();
    if let Some(ago) = text.strip_prefix('-') {
        let unit = ago.chars().last()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        let count: i64 = ago.strip_suffix(unit)?.parse().ok()?;
        return count.checked_mul(seconds)?.checked_mul(1000).map(Typed::Ago);
    }
    if let Some((day, time)) = text.split_once(['T', ' ']) {
        let day: civil::Date = day.parse().ok()?;
        return local(day.to_datetime(clock(time)?)).map(Typed::At);
    }
    clock(text).map(Typed::Clock)
}

/// `3:00`, `03:00`, `3:00:05`.
fn clock(text: &str) -> Option<civil::Time> {
    let mut parts = text.trim().split(':');
    let mut part = || {
        let digits = parts.next()?;
        let fits = matches!(digits.len(), 1 | 2) && digits.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| digits.parse::<i8>().ok()).flatten()
    };
    let (hours, minutes) = (part()?, part()?);
    let seconds = part();
    if seconds.is_none() && text.matches(':').count() > 1 || parts.next().is_some() {
        return None;
    }
    civil::Time::new(hours, minutes, seconds.unwrap_or(0), 0).ok()
}

impl Times {
    /// The first line that was not written before this time; a log whose times end before it has none.
    pub(super) fn reach(&self, time: i64, blocks: &mut Blocks) -> Landing {
        match self.span(blocks) {
            Some((first, last)) if time > last => Landing::Outside(first, last),
            _ => self
                .offset_at(time, blocks)
                .map_or(Landing::Timeless, Landing::Found),
        }
    }

    /// The first line of the last so many milliseconds.
    pub(super) fn reach_ago(&self, ago: i64, blocks: &mut Blocks) -> Landing {
        match self.span(blocks) {
            Some((_, last)) => self.reach(last.saturating_sub(ago), blocks),
            None => Landing::Timeless,
        }
    }

    /// The first line at or after a time of the day: from a place on, on the day of that place or the next one, else
    /// from the beginning on.
    pub(super) fn reach_clock(&self, clock: civil::Time, from: u64, blocks: &mut Blocks) -> Landing {
        let Some((first, last)) = self.span(blocks) else {
            return Landing::Timeless;
        };
        let here = self.from(from, blocks).unwrap_or(first);
        let next = |since: i64| following(clock, since).filter(|at| *at <= last);
        match next(here).or_else(|| next(first)) {
            Some(at) => self.reach(at, blocks),
            None => Landing::Outside(first, last),
        }
    }
}

/// When the clock shows this the next time, at or after a moment.
fn following(clock: civil::Time, since: i64) -> Option<i64> {
    let zone = TimeZone::system();
    let day = Timestamp::from_millisecond(since).ok()?.to_zoned(zone).date();
    let at = local(day.to_datetime(clock))?;
    if at >= whole(since) {
        return Some(at);
    }
    local(day.tomorrow().ok()?.to_datetime(clock))
}

/// Without the milliseconds, which nobody types.
fn whole(at: i64) -> i64 {
    at.saturating_sub(at.rem_euclid(1000))
}

/// The times of a log in words: the day once where it is one.
pub fn span(first: i64, last: i64) -> String {
    let zoned = |at| -> Option<Zoned> {
        let at = Timestamp::from_millisecond(at).ok()?;
        Some(at.to_zoned(TimeZone::system()))
    };
    let (Some(first), Some(last)) = (zoned(first), zoned(last)) else {
        return "?".into();
    };
    let until = if first.date() == last.date() {
        last.strftime("%H:%M:%S")
    } else {
        last.strftime("%Y-%m-%d %H:%M:%S")
    };
    format!("{} to {until}", first.strftime("%Y-%m-%d %H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_day_is_typed_with_one_digit_or_two() {
        let at = |h, m, s| Some(Typed::Clock(civil::time(h, m, s, 0)));
        assert_eq!(typed("3:00"), at(3, 0, 0));
        assert_eq!(typed("03:00"), at(3, 0, 0));
        assert_eq!(typed(" 23:59:07 "), at(23, 59, 7));
        assert_eq!(typed("-10m"), Some(Typed::Ago(600_000)));
        assert_eq!(typed("2026-11-22 3:00"), typed("2026-11-22T03:00:00"));
        for wrong in [
            "24:00",
            "3:",
            ":3",
            "3:00:",
            "3:60",
            "3:00:00:00",
            "003:00",
            "a:b",
            "",
        ] {
            assert_eq!(typed(wrong), None, "{wrong}");
        }
    }
}
