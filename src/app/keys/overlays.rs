//! The tables of what lies over a screen, of lines that are typed into, and of a window that is too small.

use crossterm::event::KeyCode;

use super::{
    Intent, Key,
    tables::{
        BACKTAB, BOTTOM, CANCEL, DOWN, DOWNS, ENTER, ESC, LEFT, PAGE_DOWN, PAGE_UP, RIGHT, TAB, TOP, UP, UPS,
        c, ctrl, key, plain,
    },
};

/// Where text is read: `q` closes it there, as pagers do.
pub(super) const PAGED: &[Key] = &[
    key(&[ctrl('l')], Intent::Redraw, "", "draw the screen anew"),
    key(&[ctrl('z')], Intent::Suspend, "", "suspend; `fg` comes back"),
    key(&[ctrl('c')], Intent::Interrupt, "", "close this"),
];

/// In questions `q` cancels too: who presses it in a hurry means the question.
pub(super) const DIALOG: &[Key] = &[
    key(
        &[c('?'), plain(KeyCode::F(1))],
        Intent::Help,
        "help",
        "the keys of this question",
    ),
    key(&[ctrl('l')], Intent::Redraw, "", "draw the screen anew"),
    key(&[ctrl('z')], Intent::Suspend, "", "suspend; `fg` comes back"),
    key(&[ctrl('c')], Intent::Interrupt, "", "cancel what is asked"),
];

pub(super) const SMALL: &[Key] = &[
    key(
        &[c('q')],
        Intent::Quit,
        "quit",
        "leave halolab; asks where a plan runs or answers would be lost",
    ),
    key(
        &[ctrl('c')],
        Intent::Interrupt,
        "",
        "leave halolab; asks where a plan runs or answers would be lost",
    ),
    key(&[ctrl('l')], Intent::Redraw, "", "draw the screen anew"),
    key(&[ctrl('z')], Intent::Suspend, "", "suspend; `fg` comes back"),
];

pub(super) const HELP: &[Key] = &[
    key(
        &[ESC, c('q'), c('?'), ENTER, plain(KeyCode::F(1))],
        Intent::Back,
        "close",
        "close the help",
    ),
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];

pub(super) const SCRIPT: &[Key] = &[
    key(
        &[ESC, c('q'), c('v'), ENTER],
        Intent::Back,
        "close",
        "back to the plan",
    ),
    key(
        &[TAB, RIGHT, c('l'), c('n')],
        Intent::Next,
        "next action",
        "what the next action runs",
    ),
    key(
        &[BACKTAB, LEFT, c('h'), c('p')],
        Intent::Previous,
        "the one before",
        "what the action before runs",
    ),
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];

pub(super) const DIFFERENCE: &[Key] = &[
    key(
        &[ESC, c('q'), c('D'), ENTER],
        Intent::Back,
        "close",
        "close this, and stop comparing",
    ),
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];

pub(super) const STRANGER: &[Key] = &[
    key(
        &[c('t')],
        Intent::Trust,
        "trust it",
        "trust this text, and go on; a changed one is asked about again",
    ),
    key(
        &[ESC, c('q')],
        Intent::Back,
        "cancel",
        "back to the plan; nothing runs",
    ),
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];

pub(super) const CHANGE: &[Key] = &[
    key(
        &[ENTER],
        Intent::Enter,
        "press button",
        "press the button that is marked",
    ),
    key(
        &[TAB, LEFT, RIGHT, c('h'), c('l'), BACKTAB],
        Intent::Next,
        "other button",
        "mark the other button",
    ),
    key(
        &[c('w')],
        Intent::Place,
        "other place",
        "write it in another place: another boot loader, or /etc/modprobe.d",
    ),
    key(
        &[ESC, c('q')],
        Intent::Back,
        "cancel",
        "close this and change nothing",
    ),
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];

pub(super) const THEMES: &[Key] = &[
    key(&[ENTER], Intent::Enter, "keep", "keep the theme that is shown"),
    key(
        &[ESC, c('q')],
        Intent::Back,
        "as before",
        "back to the theme before",
    ),
    UPS,
    DOWNS,
];

pub(super) const FAILED_BUILD: &[Key] = &[
    key(
        &[ENTER],
        Intent::Enter,
        "do this",
        "do what the line under the cursor says",
    ),
    key(
        &[ESC, c('q')],
        Intent::Back,
        "leave it",
        "close this; what is installed stays",
    ),
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
];

pub(super) const CONFIRM: &[Key] = &[
    key(
        &[ENTER],
        Intent::Enter,
        "press button",
        "press the button that is marked",
    ),
    key(
        &[TAB, LEFT, RIGHT, c('h'), c('l'), BACKTAB],
        Intent::Next,
        "other button",
        "mark the other button",
    ),
    key(
        &[ESC, c('q')],
        Intent::Back,
        "cancel",
        "close this and change nothing",
    ),
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
];

pub(super) const CONFIRM_TYPING: &[Key] = &[
    key(&[ENTER], Intent::Enter, "go on", "go on, once the name is typed"),
    CANCEL,
];

pub(super) const PROMPT: &[Key] = &[
    key(&[ENTER], Intent::Enter, "ok", "take what is typed"),
    key(&[TAB, DOWN], Intent::Next, "", "the next line"),
    key(&[BACKTAB, UP], Intent::Previous, "", "the line before"),
    CANCEL,
];

pub(super) const FILTER: &[Key] = &[
    key(&[ENTER], Intent::Enter, "keep", "keep the filter"),
    key(&[ESC], Intent::Back, "clear", "show all rows"),
    key(&[UP], Intent::Up, "", "one line up"),
    key(&[DOWN], Intent::Down, "", "one line down"),
];

pub(super) const SEARCH: &[Key] = &[
    key(&[ENTER], Intent::Enter, "search", "go to the next match"),
    key(&[ESC], Intent::Back, "cancel", "leave the log as it is"),
];
