//! The keys of the build beside the log of a run.

use super::{
    Intent, Key,
    tables::{BOTTOM, DOWNS, ENTER, ESC, PAGE_DOWN, PAGE_UP, TAB, TOP, UPS, c, key},
};
use crate::view;

/// The build beside the log; the other keys are those of the log.
pub(super) const BUILD: &[Key] = &[
    key(
        &[ENTER, c(' ')],
        Intent::Enter,
        "its lines",
        "to the package's lines in the log; open or close a group",
    ),
    key(
        &[c('T')],
        Intent::View(view::Intent::Build),
        "hide",
        "hide the build",
    ),
    key(
        &[TAB],
        Intent::Next,
        "log",
        "back to the log; with more labs or panes, to the next one",
    ),
    key(&[ESC], Intent::Back, "", "back to the log"),
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];
