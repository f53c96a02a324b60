//! Numbers and times as people read them, and text cut to a width.

use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Bytes: `4.2 GiB`.
pub(crate) fn bytes(count: u64) -> String {
    let mut tenths = u128::from(count) * 10;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if tenths < 10_240 {
            break;
        }
        tenths = (tenths + 512) / 1024;
        unit = larger;
    }
    if unit == "B" || tenths >= 1000 {
        format!("{} {unit}", (tenths + 5) / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

/// An estimate: `40 s`, `about 3 min`, `about 2 h`.
pub(crate) fn estimate(seconds: u32) -> String {
    match seconds {
        0..=1 => "1 s".into(),
        2..=90 => format!("{seconds} s"),
        91..=5400 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A clock: `0:42`, `12:03`, `1:02:03`.
pub(crate) fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds % 3600 / 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// How long an action took: `0.3 s`, `42 s`, `3:20`.
pub(crate) fn took(millis: u64) -> String {
    match millis {
        0..=9_999 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        10_000..=99_999 => format!("{} s", millis / 1000),
        _ => clock(millis / 1000),
    }
}

/// How long ago an RFC 3339 time was: `now`, `5 min`, `3 h`, `12 d`, `8 mo`; a time to come is `now`.
pub(crate) fn age(time: &str, now: u64) -> String {
    let Ok(then) = time.parse::<Timestamp>() else {
        return "?".into();
    };
    let then = u64::try_from(then.as_second()).unwrap_or(0);
    match now.saturating_sub(then) {
        0..=59 => "now".into(),
        s @ 60..=5_399 => format!("{} min", s / 60),
        s @ 5_400..=129_599 => format!("{} h", s / 3600),
        s @ 129_600..=5_183_999 => format!("{} d", s / 86_400),
        s => format!("{} mo", s / 2_592_000),
    }
}

/// An RFC 3339 time as `2026-11-20 10:42` UTC.
pub(crate) fn date(time: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(then) => then.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => "unknown".into(),
    }
}

/// Cut to a width, `more` at its end where something was left out.
pub(crate) fn fit(text: &str, width: usize, more: &str) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(more.width());
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        out.push(c);
    }
    out.push_str(more.get(..).filter(|m| m.width() <= width).unwrap_or(""));
    out
}

/// Cut or padded to exactly a width.
pub(crate) fn column(text: &str, width: usize, more: &str) -> String {
    let mut out = fit(text, width, more);
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(out.width())));
    out
}
