//! Where panes are: columns side by side, and in each of them panes below each other. A pane is known by its number;
//! they are counted from above to below, column by column.

use ratatui::layout::Rect;

/// Share of a new column or pane.
const SHARE: u16 = 10;
/// A share changes by this much at a time.
const STEP: u16 = 2;
/// And stays within these.
const SHARES: (u16, u16) = (2, 60);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    share: u16,
    /// The shares of its panes.
    panes: Vec<u16>,
}

/// The columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(Vec<Column>);

impl Default for Layout {
    fn default() -> Self {
        Self(vec![Column::new()])
    }
}

impl Column {
    fn new() -> Self {
        Self {
            share: SHARE,
            panes: vec![SHARE],
        }
    }
}

impl Layout {
    /// A column more, right of that of a pane; returns the number of the new pane.
    pub(super) fn beside(&mut self, pane: usize) -> usize {
        let (column, _) = self.find(pane);
        let at = (column + 1).min(self.0.len());
        self.0.insert(at, Column::new());
        self.0.iter_mut().for_each(|column| column.share = SHARE);
        self.0.iter().take(at).map(|column| column.panes.len()).sum()
    }

    /// A pane more, below another one; returns its number.
    pub(super) fn below(&mut self, pane: usize) -> usize {
        let (column, row) = self.find(pane);
        if let Some(column) = self.0.get_mut(column) {
            column.panes.insert((row + 1).min(column.panes.len()), SHARE);
            column.panes.fill(SHARE);
        }
        pane + 1
    }

    /// A pane is gone; its column, too, if there was nothing else in it.
    pub(super) fn close(&mut self, pane: usize) {
        let (at, row) = self.find(pane);
        let Some(column) = self.0.get_mut(at) else { return };
        if column.panes.len() > 1 {
            column.panes.remove(row.min(column.panes.len() - 1));
        } else if self.0.len() > 1 {
            self.0.remove(at);
        }
    }

    /// A pane becomes larger or smaller: where others are above or below it, higher, else wider.
    pub(super) fn resize(&mut self, pane: usize, grow: bool) {
        let (column, row) = self.find(pane);
        let Some(column) = self.0.get_mut(column) else {
            return;
        };
        let share = if column.panes.len() > 1 {
            column.panes.get_mut(row)
        } else {
            Some(&mut column.share)
        };
        if let Some(share) = share {
            let size = if grow {
                *share + STEP
            } else {
                share.saturating_sub(STEP)
            };
            *share = size.clamp(SHARES.0, SHARES.1);
        }
    }

    /// Where each pane is.
    pub(super) fn places(&self, area: Rect) -> Vec<Rect> {
        let shares: Vec<u16> = self.0.iter().map(|column| column.share).collect();
        let mut places = vec![];
        for (column, (x, width)) in self.0.iter().zip(parts(area.width, &shares)) {
            for (y, height) in parts(area.height, &column.panes) {
                places.push(Rect::new(area.x + x, area.y + y, width, height));
            }
        }
        places
    }

    /// Column and row of a pane.
    fn find(&self, pane: usize) -> (usize, usize) {
        let mut first = 0;
        for (index, column) in self.0.iter().enumerate() {
            if pane < first + column.panes.len() {
                return (index, pane - first);
            }
            first += column.panes.len();
        }
        (self.0.len().saturating_sub(1), 0)
    }
}

/// A length in parts by shares: where each begins, and how long it is.
fn parts(whole: u16, shares: &[u16]) -> Vec<(u16, u16)> {
    let all = shares.iter().map(|share| u32::from(*share)).sum::<u32>().max(1);
    let (mut from, mut sum) = (0_u16, 0_u32);
    let mut parts = vec![];
    for share in shares {
        sum += u32::from(*share);
        let until = u16::try_from(u32::from(whole) * sum / all).unwrap_or(whole);
        parts.push((from, until.saturating_sub(from)));
        from = until;
    }
    parts
}
