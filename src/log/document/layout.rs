//! Lines as rows: decoded, coloured, cut to the width, and counted up and down.

use std::{ops::Range, sync::Arc};

use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use super::walk::Walk;
use crate::log::{
    blocks::BLOCK,
    matcher::Matcher,
    page::{Ask, Clock, Piece, Row, Spot, Tag, rows_of, window_of},
    row::{Decoded, MOST_CELLS, decode, style_after},
    rules::Rules,
    times::{self, Times},
};

/// Bytes before a page in which its first colour is looked for.
const LOOK_BACK: u64 = 32 * 1024;
/// Characters beyond the edge that are decoded, so that a match across it is marked.
const BEYOND: usize = 64;

/// What rows are made with.
pub(super) struct Layout<'a> {
    pub(super) ask: &'a Ask,
    pub(super) columns: usize,
    /// Columns that are scrolled away.
    pub(super) left: usize,
    pub(super) matcher: Option<Arc<Matcher>>,
    pub(super) rules: Option<Arc<Rules>>,
    pub(super) times: &'a Times,
    pub(super) since: Option<i64>,
}

impl Layout<'_> {
    /// The rows from a place on, and where the last line of them ends.
    pub(super) fn fill(&self, walk: &mut Walk<'_>, spot: Spot) -> (Vec<Row>, u64, bool) {
        let mut rows: Vec<Row> = vec![];
        let mut style = style_before(walk, spot.offset);
        let (mut at, mut skip, mut bottom) = (spot.offset, spot.row, spot.offset);
        while rows.len() < self.ask.rows {
            let end = walk.lines().end_of(at);
            let wanted = skip + self.ask.rows - rows.len();
            let decoded = self.decode(walk, at..end, style, wanted);
            let cuts = self.cuts(&decoded);
            let complete = cuts.len() <= wanted;
            style = decoded.after;
            bottom = end;
            self.push(&mut rows, &decoded, at, cuts.into_iter().enumerate().skip(skip));
            if rows.len() > self.ask.rows {
                rows.truncate(self.ask.rows);
                return (rows, bottom, false);
            }
            skip = 0;
            let Some(next) = walk.next(at) else {
                return (rows, bottom, complete);
            };
            if next != end {
                style = Style::default();
            }
            at = next;
        }
        (rows, bottom, false)
    }

    /// The place that is so many rows below.
    pub(super) fn down(&self, walk: &mut Walk<'_>, from: Spot, count: usize) -> Spot {
        let (mut spot, mut left) = (from, count);
        while left > 0 {
            let below = self.height(walk, spot.offset) - 1;
            let in_line = below.saturating_sub(spot.row);
            if left <= in_line {
                spot.row += left;
                return spot;
            }
            let Some(next) = walk.next(spot.offset) else {
                spot.row = below.max(spot.row);
                return spot;
            };
            left -= in_line + 1;
            spot = Spot::at(next);
        }
        spot
    }

    /// The place that is so many rows above.
    pub(super) fn up(&self, walk: &mut Walk<'_>, from: Spot, count: usize) -> Spot {
        let (mut spot, mut left) = (from, count);
        while left > spot.row {
            left -= spot.row + 1;
            let Some(before) = walk.back(spot.offset) else {
                return Spot::at(spot.offset);
            };
            spot = Spot {
                offset: before,
                row: self.height(walk, before) - 1,
            };
        }
        spot.row -= left;
        spot
    }

    /// Where the last page begins.
    pub(super) fn end(&self, walk: &mut Walk<'_>) -> Spot {
        let Some(last) = walk.last() else {
            return Spot::default();
        };
        let row = self.height(walk, last) - 1;
        self.up(walk, Spot { offset: last, row }, self.ask.rows.saturating_sub(1))
    }

    /// Where in a line that was found its first hit is: the row that shows it, or the columns to scroll away for it.
    pub(super) fn hit(&self, walk: &mut Walk<'_>, line: u64) -> (Spot, Option<usize>) {
        let start = Spot::at(line);
        let Some(matcher) = &self.matcher else {
            return (start, None);
        };
        let end = walk.lines().end_of(line);
        let decoded = Self::decode_to(walk, line..end, Style::default(), MOST_CELLS);
        let Some(hit) = matcher.ranges(&decoded.text).into_iter().next() else {
            return (start, None);
        };
        if self.ask.wrap {
            let rows = rows_of(&decoded.text, self.columns);
            let row = rows.partition_point(|row| row.end <= hit.start);
            return (Spot { offset: line, row }, None);
        }
        let width = |text: Option<&str>| text.unwrap_or_default().width();
        let column = width(decoded.text.get(..hit.start));
        let end = column + width(decoded.text.get(hit));
        // The last column may be the mark of what goes on.
        let seen = |left: usize| column >= left && end < left + self.columns;
        let left = if seen(self.left) {
            return (start, None);
        } else if seen(0) {
            0
        } else {
            column.saturating_sub(self.columns / 3)
        };
        (start, Some(left))
    }

    /// Rows of a line.
    fn height(&self, walk: &mut Walk<'_>, at: u64) -> usize {
        if !self.ask.wrap {
            return 1;
        }
        let end = walk.lines().end_of(at);
        // A short line of bytes is no long line of columns, unless there are tabs or hidden characters in it.
        let decoded = self.decode(walk, at..end, Style::default(), usize::MAX);
        self.cuts(&decoded).len()
    }

    /// A line, as much of it as `rows` rows can show.
    fn decode(&self, walk: &mut Walk<'_>, line: Range<u64>, style: Style, rows: usize) -> Decoded {
        let cells = if self.ask.wrap {
            rows.saturating_mul(self.columns).saturating_add(BEYOND)
        } else {
            self.left + self.columns + BEYOND
        };
        Self::decode_to(walk, line, style, cells.min(MOST_CELLS))
    }

    fn decode_to(walk: &mut Walk<'_>, line: Range<u64>, style: Style, cells: usize) -> Decoded {
        // Only a progress bar is that long, and its end is what is seen.
        let start = line.start.max(line.end.saturating_sub(2 * BLOCK));
        let bytes = walk.blocks.bytes(start, line.end);
        decode(&bytes, style, cells)
    }

    fn cuts(&self, decoded: &Decoded) -> Vec<Range<usize>> {
        if self.ask.wrap {
            rows_of(&decoded.text, self.columns)
        } else {
            vec![window_of(&decoded.text, self.left, self.columns)]
        }
    }

    fn push(
        &self,
        rows: &mut Vec<Row>,
        decoded: &Decoded,
        at: u64,
        cuts: impl Iterator<Item = (usize, Range<usize>)>,
    ) {
        let text = &decoded.text;
        let pieces = self.pieces(decoded);
        for (row, cut) in cuts {
            let more = !self.ask.wrap && cut.end < text.len();
            let time = (row == 0 && self.ask.clock != Clock::Hidden)
                .then(|| self.time(at, text))
                .flatten();
            rows.push(Row {
                offset: at,
                row,
                text: text.get(cut.clone()).unwrap_or_default().to_owned(),
                pieces: within(&pieces, &cut),
                time,
                more,
            });
        }
    }

    fn time(&self, at: u64, text: &str) -> Option<String> {
        let time = self.times.of_line(at, text)?;
        Some(match (self.ask.clock, self.since) {
            (Clock::Relative, Some(since)) => times::relative(time, since),
            _ => times::absolute(time),
        })
    }

    /// The line in pieces: its own styles, the colour of a rule where it has none, and what was searched for.
    fn pieces(&self, decoded: &Decoded) -> Vec<Piece> {
        let text = &decoded.text;
        let bare = decoded.styles.iter().all(|(_, s)| *s == Style::default());
        let tint = self.rules.as_ref().filter(|_| bare && !text.is_empty());
        let tag = match tint.and_then(|rules| rules.tint(text)) {
            Some(tint) => Tag::Tinted(tint),
            None => Tag::Text,
        };
        let styled = decoded.styles.iter().map(|(end, style)| Piece {
            end: *end,
            style: *style,
            tag,
        });
        let mut pieces: Vec<Piece> = styled.collect();
        let ranges = self.matcher.as_ref().map(|m| m.ranges(text)).unwrap_or_default();
        for range in ranges {
            pieces = marked(pieces, &range);
        }
        pieces
    }
}

/// The same pieces with a range of them marked as found.
fn marked(pieces: Vec<Piece>, range: &Range<usize>) -> Vec<Piece> {
    let mut out = Vec::with_capacity(pieces.len() + 2);
    let mut from = 0;
    for piece in pieces {
        let cuts = [range.start, range.end]
            .into_iter()
            .filter(|c| *c > from && *c < piece.end);
        let ends: Vec<usize> = cuts.chain([piece.end]).collect();
        for end in ends {
            let inside = from >= range.start && end <= range.end;
            let tag = if inside { Tag::Match } else { piece.tag };
            out.push(Piece { end, tag, ..piece });
            from = end;
        }
    }
    out
}

/// The pieces of a part of the text.
fn within(pieces: &[Piece], cut: &Range<usize>) -> Vec<Piece> {
    let mut from = 0;
    let mut out = vec![];
    for piece in pieces {
        let begins = std::mem::replace(&mut from, piece.end);
        if piece.end > cut.start && begins < cut.end {
            out.push(Piece {
                end: piece.end.min(cut.end) - cut.start,
                ..piece.clone()
            });
        }
    }
    out
}

/// The style that the lines before a place left behind.
fn style_before(walk: &mut Walk<'_>, at: u64) -> Style {
    if walk.filter.is_some() || at == 0 {
        return Style::default();
    }
    let from = at.saturating_sub(LOOK_BACK);
    let bytes = walk.blocks.bytes(from, at);
    style_after(&bytes, Style::default())
}
