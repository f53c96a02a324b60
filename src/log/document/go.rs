//! Where a page begins after a motion, and what is on it.

use super::{layout::Layout, walk::Walk};
use crate::log::page::{Ask, Landing, Motion, Page, Spot};

/// Goes there, and fills the page.
pub(super) fn place(layout: &mut Layout<'_>, walk: &mut Walk<'_>, ask: &Ask, found: Landing) -> Page {
    let mut page = Page {
        landing: found,
        cursor: ask.cursor,
        ..Page::default()
    };
    let mut spot = go(layout, walk, ask, found, &mut page);
    layout.left = page.left.unwrap_or(layout.left);
    // A log that was cut, or a filter that leaves out the line that was shown.
    let len = walk.blocks.len();
    if spot.offset >= len {
        spot = Spot::at(walk.last().unwrap_or(0));
    }
    let shown = walk
        .at_or_after(spot.offset)
        .or_else(|| walk.at_or_before(spot.offset));
    let Some(first) = shown.filter(|_| len > 0) else {
        page.at_end = true;
        page.bottom = len;
        return page;
    };
    if first != spot.offset {
        spot = Spot::at(first);
    }
    let (rows, bottom, at_end) = layout.fill(walk, spot);
    (page.rows, page.bottom, page.at_end) = (rows, bottom, at_end);
    page.spot = spot;
    let stays = matches!(found, Landing::Found(_) | Landing::Perhaps(_));
    if page.rows.len() < ask.rows && !walk.unknown && (spot.offset > 0 || spot.row > 0) && !stays {
        // No half page at the end: the last lines fill it.
        let end = layout.end(walk);
        if end < spot {
            page.spot = end;
            (page.rows, page.bottom, page.at_end) = layout.fill(walk, end);
        }
    }
    page
}

/// Where the page begins after the motion.
fn go(layout: &Layout<'_>, walk: &mut Walk<'_>, ask: &Ask, found: Landing, page: &mut Page) -> Spot {
    let spot = ask.spot;
    match (ask.motion, found) {
        (Motion::Cursor(by), _) => return follow_cursor(layout, walk, ask, by, page),
        (_, Landing::Found(at) | Landing::Perhaps(at)) => {
            let line = walk.lines().start_of(at);
            page.cursor = ask.cursor.map(|_| line);
            // A hit that is in view already does not move the page; another one stands in its upper third.
            let leapt = matches!(ask.motion, Motion::Hit(_) | Motion::Problem(..));
            return if leapt {
                let (spot, left) = layout.hit(walk, line);
                page.left = left;
                layout.up(walk, spot, ask.rows / 4)
            } else {
                Spot::at(line)
            };
        }
        (Motion::Rows(by), _) => {
            let count = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX);
            return if by < 0 {
                layout.up(walk, spot, count)
            } else {
                layout.down(walk, spot, count)
            };
        }
        (Motion::Top, _) => {
            page.cursor = ask.cursor.map(|_| 0);
            return Spot::at(walk.first().unwrap_or(0));
        }
        (Motion::End, _) => {}
        _ if ask.follow => {}
        _ => return spot,
    }
    page.cursor = ask.cursor.map(|_| walk.last().unwrap_or(0));
    layout.end(walk)
}

/// Moves the end of a selection, and the page with it where it would leave it.
fn follow_cursor(layout: &Layout<'_>, walk: &mut Walk<'_>, ask: &Ask, by: i64, page: &mut Page) -> Spot {
    let mut cursor = ask.cursor.unwrap_or(ask.spot.offset);
    for _ in 0..by.unsigned_abs() {
        let next = if by < 0 {
            walk.back(cursor)
        } else {
            walk.next(cursor)
        };
        let Some(next) = next else { break };
        cursor = next;
    }
    page.cursor = Some(cursor);
    if cursor < ask.spot.offset {
        return Spot::at(cursor);
    }
    let (rows, _, _) = layout.fill(walk, ask.spot);
    if rows.iter().any(|r| r.offset == cursor) {
        return ask.spot;
    }
    layout.up(walk, Spot::at(cursor), ask.rows.saturating_sub(1))
}
