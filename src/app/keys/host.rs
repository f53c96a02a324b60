//! The table of the host's screen.

use crossterm::event::KeyCode;

use super::{
    Intent, Key,
    tables::{BACK, BOTTOM, DOWNS, ENTER, LEFT, RIGHT, TOP, UPS, c, ctrl, key, plain},
};

pub(super) const HOST: &[Key] = &[
    key(
        &[ENTER, c('x')],
        Intent::Enter,
        "mend",
        "mend this, where halolab can; the change is shown first",
    ),
    key(
        &[c(' '), plain(KeyCode::PageDown), ctrl('d')],
        Intent::PageDown,
        "more",
        "the details: one page down",
    ),
    key(
        &[plain(KeyCode::PageUp), ctrl('u')],
        Intent::PageUp,
        "",
        "the details: one page up",
    ),
    key(&[LEFT, c('h')], Intent::Left, "", "the GPU's memory: 4 GiB less"),
    key(
        &[RIGHT, c('l')],
        Intent::Right,
        "",
        "the GPU's memory: 4 GiB more",
    ),
    key(&[c('-')], Intent::Less, "", "the GPU's memory: 1 GiB less"),
    key(
        &[c('+'), c('=')],
        Intent::More,
        "",
        "the GPU's memory: 1 GiB more",
    ),
    key(
        &[c('u')],
        Intent::Undo,
        "undo",
        "take a change back; its inverse is shown first",
    ),
    BACK,
    key(
        &[c('r')],
        Intent::Retry,
        "look again",
        "look at the machine again",
    ),
    UPS,
    DOWNS,
    TOP,
    BOTTOM,
];
