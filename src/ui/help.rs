//! The help: the keys of the screen below, from the table by which they work.
//!
//! ```text
//!  ╭ keys ─────────────────────────────────────╮
//!  │ enter        open the lab                  │
//!  │ up, k        one line up                   │
//!  ╰────────────────────────────────────────────╯
//! ```

use ratatui::{
    Frame,
    text::{Line, Span},
};

use crate::app::{
    Model,
    keys::{self, Place},
};

use super::{
    widgets::{popup, scrolled_in_box, wrap},
    words::column,
};

const WIDTH: u16 = 84;
/// Columns of the names of keys.
const NAMES: usize = 20;

pub(super) fn view(model: &Model, scroll: usize, frame: &mut Frame<'_>) {
    let styles = model.look.styles();
    let width = WIDTH.min(frame.area().width);
    let place = Place::under_help(model);
    let own: Vec<keys::Chord> = place.keys().iter().flat_map(|k| k.chords).copied().collect();
    let of_log = place
        .keys_of_log()
        .filter(|key| key.chords.iter().any(|c| !own.contains(c)));
    // A key means one thing: where the screen or its log has it, it is not what it is elsewhere.
    let log = place.keys_of_log().flat_map(|k| k.chords).copied();
    let taken: Vec<keys::Chord> = own.iter().copied().chain(log).collect();
    let common = place.common().iter().map(|key| {
        let free = key.chords.iter().copied().filter(|c| !taken.contains(c));
        (free.collect::<Vec<_>>(), key.help)
    });
    let all = place.keys().iter().map(|key| (key.chords.to_vec(), key.help));
    let all = all
        .chain(common.filter(|(chords, _)| !chords.is_empty()))
        .chain(of_log.map(|key| (key.chords.to_vec(), key.help)));
    let lines: Vec<Line<'static>> = all
        .flat_map(|(chords, help)| {
            let names: Vec<String> = chords.into_iter().map(keys::name).collect();
            let line = Line::from(vec![
                Span::styled(column(&names.join(", "), NAMES, ".."), styles.key),
                Span::styled(format!(" {help}"), styles.text),
            ]);
            wrap(&line, width.saturating_sub(4), NAMES + 1)
        })
        .collect();
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let size = (width, height.min(frame.area().height.saturating_sub(2)));
    let inside = popup(&model.look, frame, "keys of this screen", size);
    scrolled_in_box(&model.look, frame, inside, lines, (scroll, inside));
}
