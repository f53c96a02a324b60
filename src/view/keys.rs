//! The keys of the viewer: one table, from which a key press is looked up and the help is written. Those that people
//! know from less, and those of the other screens.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after what it does")]
pub enum Intent {
    Up,
    Down,
    HalfUp,
    HalfDown,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Left,
    Right,
    Goto,
    Digit(char),
    Search,
    SearchBack,
    Next,
    Previous,
    Filter,
    MoreContext,
    LessContext,
    Error,
    ErrorBack,
    Warning,
    WarningBack,
    Follow,
    Wrap,
    States,
    Times,
    Mark,
    ToMark,
    Select,
    Copy,
    Save,
    Pager,
    Editor,
    Build,
    Beside,
    Below,
    Close,
    NextPane,
    PreviousPane,
    NextLog,
    PreviousLog,
    Grow,
    Shrink,
    Zoom,
    Help,
    Back,
    Redraw,
    Suspend,
    Quit,
    Interrupt,
}

/// A key with what is held down.
pub type Chord = (KeyCode, KeyModifiers);

/// One line of the table.
#[derive(Debug)]
pub struct Key {
    /// The keys that mean it; the first is the one that is shown.
    pub chords: &'static [Chord],
    /// What it does, for the help.
    pub help: &'static str,
    /// The meaning.
    pub does: Intent,
}

const fn key(chords: &'static [Chord], does: Intent, help: &'static str) -> Key {
    Key { chords, help, does }
}

const fn plain(code: KeyCode) -> Chord {
    (code, KeyModifiers::NONE)
}

const fn c(letter: char) -> Chord {
    plain(KeyCode::Char(letter))
}

const fn ctrl(letter: char) -> Chord {
    (KeyCode::Char(letter), KeyModifiers::CONTROL)
}

/// The keys.
pub const KEYS: &[Key] = &[
    key(
        &[plain(KeyCode::Up), c('k'), ctrl('p'), ctrl('y')],
        Intent::Up,
        "one row up",
    ),
    key(
        &[
            plain(KeyCode::Down),
            c('j'),
            plain(KeyCode::Enter),
            ctrl('n'),
            ctrl('e'),
        ],
        Intent::Down,
        "one row down",
    ),
    key(&[c('u'), ctrl('u')], Intent::HalfUp, "half a page up"),
    key(&[c('d'), ctrl('d')], Intent::HalfDown, "half a page down"),
    key(
        &[plain(KeyCode::PageUp), c('b'), ctrl('b')],
        Intent::PageUp,
        "one page up",
    ),
    key(
        &[plain(KeyCode::PageDown), c(' '), ctrl('f'), ctrl('v')],
        Intent::PageDown,
        "one page down",
    ),
    key(
        &[c('g'), plain(KeyCode::Home), c('<')],
        Intent::Top,
        "to the beginning",
    ),
    key(
        &[c('G'), plain(KeyCode::End), c('>')],
        Intent::Bottom,
        "to the end, and stay there while the log grows",
    ),
    key(
        &[c('f'), c('F')],
        Intent::Follow,
        "follow the end; any move up stops that, and the new lines are counted",
    ),
    key(
        &[plain(KeyCode::Left)],
        Intent::Left,
        "long lines: to the left (unwrapped)",
    ),
    key(
        &[plain(KeyCode::Right)],
        Intent::Right,
        "long lines: to the right (unwrapped)",
    ),
    key(
        &[c(':'), c('p'), c('%')],
        Intent::Goto,
        "go to a line (120, also 120G), a share (50%) or a time (12:30, -10m); :n, :p: the next log, the log before",
    ),
    key(
        &[c('/')],
        Intent::Search,
        "search downwards; a text, or a pattern where it looks like one",
    ),
    key(&[c('?')], Intent::SearchBack, "search upwards"),
    key(&[c('n')], Intent::Next, "the next hit"),
    key(&[c('N')], Intent::Previous, "the hit before"),
    key(
        &[c('&')],
        Intent::Filter,
        "lines with something; !TEXT: those without; empty: all",
    ),
    key(&[c('c')], Intent::MoreContext, "filter: more lines around each"),
    key(&[c('C')], Intent::LessContext, "filter: fewer lines around each"),
    key(&[c('e')], Intent::Error, "the next error"),
    key(&[c('E')], Intent::ErrorBack, "the error before"),
    key(&[c('a')], Intent::Warning, "the next warning"),
    key(&[c('A')], Intent::WarningBack, "the warning before"),
    key(&[c('w')], Intent::Wrap, "wrap long lines, or not"),
    key(
        &[c('r')],
        Intent::States,
        "all states of progress bars, or the last ones",
    ),
    key(
        &[c('t')],
        Intent::Times,
        "times: of the day, since the beginning, none",
    ),
    key(
        &[c('m')],
        Intent::Mark,
        "mark this place with the letter typed next",
    ),
    key(
        &[c('\'')],
        Intent::ToMark,
        "to the mark of the letter typed next; ' again: to where you were",
    ),
    key(&[c('v')], Intent::Select, "select lines: move, then y or s"),
    key(
        &[c('y')],
        Intent::Copy,
        "copy the selection, else the page, to the clipboard",
    ),
    key(
        &[c('s')],
        Intent::Save,
        "save the selection, the filtered lines or all of it to a file",
    ),
    key(&[c('o')], Intent::Pager, "open it in $PAGER"),
    key(&[c('O')], Intent::Editor, "open it in $EDITOR"),
    key(
        &[c('T')],
        Intent::Build,
        "the build beside its log, or not: packages, phases, time left; tab: to it and back; enter: to the package's lines",
    ),
    key(&[c('|')], Intent::Beside, "another pane beside this one"),
    key(&[c('S')], Intent::Below, "another pane below this one"),
    key(&[c('x')], Intent::Close, "close this pane"),
    key(
        &[plain(KeyCode::Tab), c(']')],
        Intent::NextPane,
        "to the next pane; with one pane, to the next log",
    ),
    key(
        &[(KeyCode::BackTab, KeyModifiers::SHIFT), c('[')],
        Intent::PreviousPane,
        "to the pane or log before",
    ),
    key(&[c('.')], Intent::NextLog, "the next log in this pane"),
    key(&[c(',')], Intent::PreviousLog, "the log before in this pane"),
    key(&[c('+'), c('=')], Intent::Grow, "make this pane larger"),
    key(&[c('_'), c('-')], Intent::Shrink, "make this pane smaller"),
    key(&[c('z')], Intent::Zoom, "this pane on the whole screen, or not"),
    key(
        &[plain(KeyCode::Esc)],
        Intent::Back,
        "end selecting; forget the search and its marks",
    ),
    key(&[c('h'), plain(KeyCode::F(1))], Intent::Help, "these keys"),
    key(&[ctrl('l')], Intent::Redraw, "draw the screen anew"),
    key(&[ctrl('z')], Intent::Suspend, "suspend; `fg` comes back"),
    key(&[c('q'), c('Q')], Intent::Quit, "leave"),
    key(
        &[ctrl('c')],
        Intent::Interrupt,
        "cancel what is asked; else leave",
    ),
];

/// What a key means.
pub fn find(event: &KeyEvent) -> Option<Intent> {
    let chord = chord(event);
    if let (KeyCode::Char(digit @ '0'..='9'), KeyModifiers::NONE) = chord {
        return Some(Intent::Digit(digit));
    }
    let key = KEYS.iter().find(|key| key.chords.contains(&chord))?;
    Some(key.does)
}

/// A key press in the form of the table: shift is part of the letter, not a modifier of it.
pub fn chord(event: &KeyEvent) -> Chord {
    let held = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
    match event.code {
        KeyCode::BackTab => (KeyCode::BackTab, KeyModifiers::SHIFT),
        KeyCode::Char(letter) if held.contains(KeyModifiers::CONTROL) => {
            (KeyCode::Char(letter.to_ascii_lowercase()), held)
        }
        code => (code, held),
    }
}

/// A chord as people write it.
pub fn name(chord: Chord) -> String {
    let base = match chord.0 {
        KeyCode::Char(' ') => "space".into(),
        KeyCode::Char(letter) => letter.to_string(),
        KeyCode::Enter => "enter".into(),
        KeyCode::Esc => "esc".into(),
        KeyCode::BackTab => "shift-tab".into(),
        KeyCode::PageUp => "PgUp".into(),
        KeyCode::PageDown => "PgDn".into(),
        KeyCode::F(number) => format!("F{number}"),
        other => other.to_string().to_lowercase(),
    };
    if chord.1.contains(KeyModifiers::CONTROL) {
        format!("ctrl-{base}")
    } else {
        base
    }
}
