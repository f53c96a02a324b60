//! The tables: for each place its keys, the word at the foot of the screen, and the line in the help.

use crossterm::event::{KeyCode, KeyModifiers};

use super::{Chord, Intent, Key};
use crate::view;

pub(super) const fn plain(code: KeyCode) -> Chord {
    (code, KeyModifiers::NONE)
}

pub(super) const fn c(letter: char) -> Chord {
    plain(KeyCode::Char(letter))
}

pub(super) const fn ctrl(letter: char) -> Chord {
    (KeyCode::Char(letter), KeyModifiers::CONTROL)
}

pub(super) const fn key(
    chords: &'static [Chord],
    does: Intent,
    label: &'static str,
    help: &'static str,
) -> Key {
    Key {
        chords,
        label,
        help,
        does,
    }
}

pub(super) const ENTER: Chord = plain(KeyCode::Enter);
pub(super) const ESC: Chord = plain(KeyCode::Esc);
pub(super) const TAB: Chord = plain(KeyCode::Tab);
pub(super) const BACKTAB: Chord = (KeyCode::BackTab, KeyModifiers::SHIFT);
pub(super) const UP: Chord = plain(KeyCode::Up);
pub(super) const DOWN: Chord = plain(KeyCode::Down);
pub(super) const LEFT: Chord = plain(KeyCode::Left);
pub(super) const RIGHT: Chord = plain(KeyCode::Right);

pub(super) const UPS: Key = key(&[UP, c('k')], Intent::Up, "", "one line up");
pub(super) const DOWNS: Key = key(&[DOWN, c('j')], Intent::Down, "", "one line down");
pub(super) const PAGE_UP: Key = key(
    &[plain(KeyCode::PageUp), ctrl('u')],
    Intent::PageUp,
    "",
    "one page up",
);
pub(super) const PAGE_DOWN: Key = key(
    &[plain(KeyCode::PageDown), ctrl('d')],
    Intent::PageDown,
    "",
    "one page down",
);
pub(super) const TOP: Key = key(
    &[c('g'), plain(KeyCode::Home)],
    Intent::Top,
    "",
    "to the beginning",
);
pub(super) const BOTTOM: Key = key(&[c('G'), plain(KeyCode::End)], Intent::Bottom, "", "to the end");
pub(super) const BACK: Key = key(
    &[ESC],
    Intent::Back,
    "back",
    "back to the screen before; nothing is lost",
);
pub(super) const CANCEL: Key = key(&[ESC], Intent::Back, "cancel", "close this and change nothing");

/// On the first screens: what this machine is, and what is wrong with it.
const MACHINE: Key = key(
    &[c('i')],
    Intent::Machine,
    "this machine",
    "this machine: what is wrong with it, and the GPU's memory",
);

pub(super) const COMMON: &[Key] = &[
    key(
        &[c('?'), plain(KeyCode::F(1))],
        Intent::Help,
        "help",
        "the keys of this screen",
    ),
    key(
        &[c('q')],
        Intent::Quit,
        "quit",
        "leave halolab; asks where a plan runs or answers would be lost",
    ),
    key(&[c('T')], Intent::Themes, "", "choose a theme, with a preview"),
    key(
        &[c('M'), c('m')],
        Intent::Mouse,
        "",
        "mouse on or off; off, the terminal can select text",
    ),
    key(&[ctrl('l')], Intent::Redraw, "", "draw the screen anew"),
    key(&[ctrl('z')], Intent::Suspend, "", "suspend; `fg` comes back"),
    key(
        &[ctrl('c')],
        Intent::Interrupt,
        "",
        "cancel what is asked; leave where nothing is",
    ),
];

pub(super) const CONTROL: &[Key] = &[
    key(
        &[plain(KeyCode::F(1))],
        Intent::Help,
        "help",
        "the keys of this screen",
    ),
    key(&[ctrl('l')], Intent::Redraw, "", "draw the screen anew"),
    key(&[ctrl('z')], Intent::Suspend, "", "suspend; `fg` comes back"),
    key(&[ctrl('c')], Intent::Interrupt, "", "cancel what is asked"),
];

/// On the first screens: the users of this machine.
const TO_WORKSPACES: Key = key(
    &[c('w')],
    Intent::Workspaces,
    "workspaces",
    "the workspaces: a container for each user of this machine",
);

pub(super) const WELCOME: &[Key] = &[
    key(&[ENTER], Intent::Enter, "go on", "go on to the labs"),
    key(
        &[c('r')],
        Intent::Retry,
        "look again",
        "look for the container engine again",
    ),
    MACHINE,
    TO_WORKSPACES,
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];

pub(super) const LABS: &[Key] = &[
    key(
        &[ENTER],
        Intent::Enter,
        "open",
        "what can be done with this lab; or set up the marked ones",
    ),
    key(&[c(' ')], Intent::Toggle, "mark", "mark a lab that is to be made"),
    key(&[c('e')], Intent::Shell, "shell", "a shell inside the lab"),
    key(
        &[c('s')],
        Intent::Snapshots,
        "snapshots",
        "the snapshots of the lab",
    ),
    key(&[c('r')], Intent::Retry, "refresh", "look at the engine again"),
    MACHINE,
    TO_WORKSPACES,
    key(&[TAB], Intent::Next, "", "the jobs: commands that go on in labs"),
    key(
        &[c('u')],
        Intent::Undo,
        "",
        "a run that was left before its end: go on, undo it, or leave it",
    ),
    key(&[ESC], Intent::Back, "", "back to the host's screen"),
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];

pub(super) const MENU: &[Key] = &[
    key(
        &[ENTER],
        Intent::Enter,
        "choose",
        "do this; what changes something is shown first",
    ),
    BACK,
    UPS,
    DOWNS,
    TOP,
    BOTTOM,
];

pub(super) const SNAPSHOTS: &[Key] = &[
    key(
        &[ENTER],
        Intent::Enter,
        "restore",
        "put the lab back to this snapshot; the plan is shown first",
    ),
    key(
        &[c('c')],
        Intent::Copy,
        "copy",
        "make a new lab from this snapshot",
    ),
    BACK,
    key(
        &[c('D')],
        Intent::Diff,
        "differences",
        "what changed since this snapshot: packages, files, settings",
    ),
    key(
        &[c('/')],
        Intent::Search,
        "filter",
        "show only rows with some text",
    ),
    key(&[c('n')], Intent::New, "new", "take a snapshot now"),
    key(&[c('m')], Intent::Note, "note", "write a note about it"),
    key(
        &[c('p')],
        Intent::Pin,
        "pin",
        "pin or unpin: a pinned one is never pruned",
    ),
    key(&[c('R')], Intent::Rename, "rename", "give it another name"),
    key(
        &[c('d')],
        Intent::Delete,
        "delete",
        "remove it; asked about first",
    ),
    key(
        &[c('P')],
        Intent::Prune,
        "prune",
        "which safety snapshots would go; asked about first",
    ),
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];

pub(super) const OPTIONS: &[Key] = &[
    key(
        &[c(' ')],
        Intent::Toggle,
        "change",
        "yes or no; the next choice; mark or unmark",
    ),
    key(&[LEFT, c('h')], Intent::Left, "", "the choice before"),
    key(&[RIGHT, c('l')], Intent::Right, "", "the next choice"),
    key(
        &[ENTER],
        Intent::Enter,
        "next",
        "to the next field; on the last one, go on",
    ),
    key(
        &[ctrl('s')],
        Intent::Continue,
        "go on",
        "go on with what is filled in",
    ),
    BACK,
    key(&[UP, c('k'), BACKTAB], Intent::Up, "", "the field before"),
    key(&[DOWN, c('j'), TAB], Intent::Down, "", "the next field"),
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];

pub(super) const OPTIONS_TYPING: &[Key] = &[
    key(&[ENTER], Intent::Enter, "next", "to the next field"),
    key(
        &[ctrl('s')],
        Intent::Continue,
        "go on",
        "go on with what is filled in",
    ),
    BACK,
    key(&[UP, BACKTAB], Intent::Up, "", "the field before"),
    key(&[DOWN, TAB], Intent::Down, "", "the next field"),
    PAGE_UP,
    PAGE_DOWN,
];

pub(super) const REVIEW: &[Key] = &[
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
        &[c('v')],
        Intent::Scripts,
        "scripts",
        "what each action runs, to the letter",
    ),
    key(
        &[c('D')],
        Intent::Diff,
        "",
        "before a restore: what changed since the snapshot",
    ),
    key(
        &[c('t')],
        Intent::Tune,
        "",
        "first give the GPU more memory, where that is offered; or leave it as it is",
    ),
    BACK,
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];

/// The other keys of the log are those of the viewer.
pub(super) const RUN: &[Key] = &[
    key(
        &[c('f')],
        Intent::View(view::Intent::Follow),
        "follow",
        "follow the end of the log",
    ),
    key(
        &[c('/')],
        Intent::View(view::Intent::Search),
        "search",
        "search the log",
    ),
    key(
        &[c('w')],
        Intent::View(view::Intent::Wrap),
        "wrap",
        "wrap long lines, or not",
    ),
    key(
        &[c('z')],
        Intent::View(view::Intent::Zoom),
        "full screen",
        "the log on the whole screen, or not",
    ),
    key(
        &[TAB],
        Intent::View(view::Intent::NextPane),
        "next lab",
        "the log of the next lab; with more panes, the next one; the build where it is shown",
    ),
    key(
        &[c('T')],
        Intent::View(view::Intent::Build),
        "build",
        "the build beside the log, or not: packages, phases, time left",
    ),
    key(
        &[ESC],
        Intent::Back,
        "stop/back",
        "asks whether to stop or to keep on; after the end, back",
    ),
    key(&[ENTER], Intent::Enter, "", "after the end: the result"),
];

const TO_LABS: Key = key(&[ENTER], Intent::Enter, "to the labs", "back to the labs");
const SHELL_OF_RESULT: Key = key(
    &[c('e')],
    Intent::Shell,
    "shell",
    "a shell inside the first lab that is ready",
);
const LOG_OF_RESULT: Key = key(
    &[ESC, c('v')],
    Intent::Back,
    "log",
    "look at the log of the run again",
);

pub(super) const RESULT: &[Key] = &[
    TO_LABS,
    SHELL_OF_RESULT,
    LOG_OF_RESULT,
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];

/// Of a run that can be gone on with.
pub(super) const RESULT_OPEN: &[Key] = &[
    key(
        &[ENTER],
        Intent::Enter,
        "do it",
        "do what is marked; at first that is nothing",
    ),
    key(&[UP, c('k')], Intent::Up, "", "what can be done before"),
    key(&[DOWN, c('j')], Intent::Down, "choose", "what can be done next"),
    key(
        &[c('r')],
        Intent::Retry,
        "go on",
        "go on with what failed and what is left; or undo it",
    ),
    LOG_OF_RESULT,
    SHELL_OF_RESULT,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];
