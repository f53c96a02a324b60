//! Where the pane is, and how much room its parts have.

use ratatui::layout::{Constraint, Direction, Layout, Rect};

use super::{Position, ProgressPane, Row, rows};
use crate::progress::{Package, State, Tree};

/// With fewer columns the pane is below the log.
const WIDE: u16 = 90;
/// With fewer rows it is one line without a border.
pub(super) const FRAMED: u16 = 3;
/// Rows of a border.
const BORDER: u16 = 2;

/// The parts inside the border.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) head: Rect,
    pub(super) list: Rect,
    /// About the row under the cursor.
    pub(super) foot: Rect,
}

/// What is left of an area for the log, and the pane's own: beside it, or below it where the window is narrow. There it
/// has as many rows as it needs, at most half of them, and a single one where the border would be all there is.
pub fn split(area: Rect, wanted: u16) -> (Rect, Rect) {
    let (direction, size) = if area.width >= WIDE {
        (Direction::Horizontal, (area.width / 3).clamp(30, 64))
    } else {
        let half = area.height / 2;
        let height = if half <= FRAMED {
            area.height.min(1)
        } else {
            wanted.min(half)
        };
        (Direction::Vertical, height)
    };
    let parts = [Constraint::Fill(1), Constraint::Length(size)];
    let [log, pane] = Layout::new(direction, parts).areas(area);
    (log, pane)
}

impl<'a> ProgressPane<'a> {
    /// One of which nothing is known.
    pub fn empty(tree: &'a Tree, position: &'a Position) -> Self {
        Self {
            tree,
            position,
            left: None,
            silent: None,
            now: None,
            focus: false,
        }
    }

    /// Rows that show all of it, with its border.
    pub fn height(&self) -> u16 {
        let (rows, about) = self.wanted();
        let inside = rows.max(1) + u16::from(self.has_header()) + about;
        inside.saturating_add(BORDER)
    }

    /// Rows of the list, and rows of what is to be said about one of them.
    fn wanted(&self) -> (u16, u16) {
        let rows = rows(self.tree, &self.position.open);
        let told = |row: &Row| match row {
            Row::Package(at) => self.tree.packages().get(*at).map_or(0, |p| {
                let any = p.reason.is_some() || p.log.is_some() || !p.errors.is_empty();
                u16::from(any) + u16::from(has_two(p))
            }),
            Row::Target(_) => 1,
            Row::Group(_) => 0,
        };
        let about = rows.iter().map(told).max().unwrap_or(0);
        (u16::try_from(rows.len()).unwrap_or(u16::MAX / 2), about)
    }

    pub(super) fn parts(&self, inside: Rect) -> Parts {
        let (rows, about) = self.wanted();
        let head = u16::from(self.has_header());
        // The rows come first, as long as there are few.
        let foot = about.min(inside.height.saturating_sub(head + rows.min(2)));
        let [head, list, foot] = Layout::vertical([
            Constraint::Length(head),
            Constraint::Fill(1),
            Constraint::Length(foot),
        ])
        .areas(inside);
        Parts { head, list, foot }
    }
}

/// Whether a failed package has an error and a log of its own to be told.
pub(super) fn has_two(package: &Package) -> bool {
    let why = package.reason.is_some() || !package.errors.is_empty();
    package.state == State::Failed && why && package.log.is_some()
}
