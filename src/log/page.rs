//! What is asked of a log, and what it answers: a page, ready to be drawn.

use std::ops::Range;

use ratatui::style::Style;

use super::{
    matcher::Query,
    rules::{Level, Tint},
};

/// A place in a log: where a line begins, and how many rows of it are scrolled away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Where the line begins.
    pub offset: u64,
    /// Rows of it above the screen, where lines are wrapped.
    pub row: usize,
}

impl Spot {
    /// The beginning of a line.
    pub fn at(offset: u64) -> Self {
        Self { offset, row: 0 }
    }
}

/// Where to go.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Motion {
    /// Nowhere.
    #[default]
    Stay,
    /// Rows down, or up where negative.
    Rows(i64),
    /// The cursor of a selection, lines down or up.
    Cursor(i64),
    /// To the beginning.
    Top,
    /// To the end.
    End,
    /// To a line, counted from 1.
    Line(u64),
    /// To a share of the bytes, in percent.
    Percent(f64),
    /// To the line that holds this byte.
    Offset(u64),
    /// To the first line not written before this time, in milliseconds since 1970.
    Time(i64),
    /// To the first line of the last so many milliseconds.
    Ago(i64),
    /// To the first line not written before this time of the day, from a byte on.
    Clock(jiff::civil::Time, u64),
    /// To the next line that was searched for.
    Hit(Leap),
    /// To the next error or warning.
    Problem(Level, Leap),
}

/// A way that ends at what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leap {
    /// Not before this byte; or before it.
    pub from: u64,
    /// In which direction.
    pub forward: bool,
    /// A hit that is shown already, until it is known whether there is a nearer one.
    pub shown: Option<u64>,
    /// It went on at the other end of the log.
    pub wrapped: bool,
}

/// Only lines with something, and lines around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What.
    pub query: Query,
    /// Lines before and after each.
    pub context: usize,
}

/// Which times stand beside the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// None.
    #[default]
    Hidden,
    /// The time of the day.
    Absolute,
    /// The time since the log began.
    Relative,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that a key turns")]
pub struct Ask {
    /// Where the page begins now.
    pub spot: Spot,
    /// Where to go from there.
    pub motion: Motion,
    /// Rows and columns of the text.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Columns that are scrolled away, where lines are not wrapped.
    pub left: usize,
    /// Long lines go on in the next row.
    pub wrap: bool,
    /// All states of progress bars, not the last ones only.
    pub states: bool,
    /// The end, wherever it is.
    pub follow: bool,
    /// What is marked and counted.
    pub search: Option<Query>,
    /// The search went towards the end.
    pub forward: bool,
    /// Which lines are shown.
    pub filter: Option<Filter>,
    /// Times.
    pub clock: Clock,
    /// The end of a selection that moves.
    pub cursor: Option<u64>,
    /// The size that was seen when the end was left.
    pub left_at: Option<u64>,
}

/// What a piece of a row is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tag {
    /// Text of the log.
    #[default]
    Text,
    /// What was searched for.
    Match,
    /// Text that a rule colours.
    Tinted(Tint),
}

/// A piece of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The byte of the text where it ends.
    pub end: usize,
    /// Its own style.
    pub style: Style,
    /// What it is.
    pub tag: Tag,
}

/// A row of the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Where its line begins.
    pub offset: u64,
    /// Which row of the line it is.
    pub row: usize,
    /// Its text, safe to draw.
    pub text: String,
    /// Its pieces, in order.
    pub pieces: Vec<Piece>,
    /// When its line was written.
    pub time: Option<String>,
    /// There is more of the line to the right.
    pub more: bool,
}

/// How a leap ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Landing {
    /// There was none.
    #[default]
    None,
    /// Here.
    Found(u64),
    /// Here, unless a nearer one turns up.
    Perhaps(u64),
    /// It is being searched for.
    Pending,
    /// Nothing is found in this direction.
    Nowhere,
    /// Where it would be is not counted yet.
    Uncounted,
    /// The log tells no times.
    Timeless,
    /// Its times do not go so far: the first and the last one, in milliseconds since 1970.
    Outside(i64, i64),
}

/// What is found, of what was searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hits {
    /// Lines.
    pub total: u64,
    /// All of the log was searched.
    pub done: bool,
    /// Percent that was.
    pub percent: u64,
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Where it begins.
    pub spot: Spot,
    /// Its rows.
    pub rows: Vec<Row>,
    /// The end of the log is in view.
    pub at_end: bool,
    /// The size of the log.
    pub len: u64,
    /// Where the last line in view ends.
    pub bottom: u64,
    /// The number of the first line in view, once it is known.
    pub line: Option<u64>,
    /// The number of lines, once all are counted.
    pub lines: Option<u64>,
    /// Lines that came since the end was left.
    pub new_lines: u64,
    /// What was searched for.
    pub hits: Option<Hits>,
    /// The number of a hit, from 1, with its offset.
    pub number: Option<(u64, u64)>,
    /// What the filter lets through.
    pub filtered: Option<Hits>,
    /// How the leap ended.
    pub landing: Landing,
    /// How many columns have to be scrolled away so that what was found is in view; none where they stay.
    pub left: Option<usize>,
    /// Where the cursor is.
    pub cursor: Option<u64>,
    /// What is to be said about the log: gone, replaced, cut, broken.
    pub note: Option<String>,
    /// Columns that the times take.
    pub gutter: usize,
}

/// Cuts a text into rows of a width; a wide character that would not fit begins the next one.
pub fn rows_of(text: &str, columns: usize) -> Vec<Range<usize>> {
    let columns = columns.max(2);
    if text.is_ascii() {
        let count = text.len().div_ceil(columns).max(1);
        return (0..count)
            .map(|row| row * columns..((row + 1) * columns).min(text.len()))
            .collect();
    }
    let mut rows = vec![];
    let (mut start, mut used) = (0, 0);
    for (at, width) in glyphs(text) {
        if used + width > columns {
            rows.push(start..at);
            (start, used) = (at, 0);
        }
        used += width;
    }
    rows.push(start..text.len());
    rows
}

/// What of a text is seen from a column on.
pub fn window_of(text: &str, left: usize, columns: usize) -> Range<usize> {
    if text.is_ascii() {
        return left.min(text.len())..(left + columns).min(text.len());
    }
    let (mut column, mut start, mut end) = (0, text.len(), text.len());
    for (at, width) in glyphs(text) {
        if column >= left && start == text.len() {
            start = at;
        }
        if column + width > left + columns {
            end = at;
            break;
        }
        column += width;
    }
    start.min(end)..end
}

/// Where each character begins that takes columns, with its marks, and how many it takes.
pub fn glyphs(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    use unicode_width::UnicodeWidthChar as _;
    text.char_indices()
        .map(|(at, c)| (at, c.width().unwrap_or(0)))
        .filter(|(_, width)| *width > 0)
}
