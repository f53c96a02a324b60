//! Keys: one table a place, from which a key press is looked up, the hints at the foot are written and
//! the help is listed. A key that is not in the table of its place does nothing.

mod build;
mod host;
mod jobs;
mod overlays;
mod tables;
mod workspaces;

use crossterm::event::KeyEvent;

use super::{
    model::{Dialog, Model, Screen},
    reading::Subject,
    run_view::RunView,
};
use crate::view;
pub use crate::view::keys::{Chord, chord, name};
use build::BUILD;
use host::HOST;
use jobs::JOBS;
use overlays::{
    CHANGE, CONFIRM, CONFIRM_TYPING, DIALOG, DIFFERENCE, FAILED_BUILD, FILTER, HELP, PAGED, PROMPT, SCRIPT,
    SEARCH, SMALL, STRANGER, THEMES,
};
use tables::{
    COMMON, CONTROL, LABS, MENU, OPTIONS, OPTIONS_TYPING, RESULT, RESULT_OPEN, REVIEW, RUN, SNAPSHOTS,
    WELCOME,
};
use workspaces::{PORTS, WORKSPACES};

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after what it does")]
pub enum Intent {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Next,
    Previous,
    Enter,
    Toggle,
    Back,
    Quit,
    Interrupt,
    Help,
    Themes,
    Redraw,
    Suspend,
    Mouse,
    Retry,
    Search,
    Copy,
    New,
    Note,
    Pin,
    Rename,
    Delete,
    Prune,
    Shell,
    Snapshots,
    Continue,
    Scripts,
    Machine,
    Undo,
    Diff,
    Trust,
    Tune,
    Less,
    More,
    Place,
    Workspaces,
    Change,
    Start,
    Restart,
    Update,
    Purge,
    Ports,
    Passwords,
    BuildImage,
    Logs,
    Backup,
    PutBack,
    Compose,
    Settings,
    View(view::Intent),
    Stop,
}

/// One line of a table.
#[derive(Debug)]
pub struct Key {
    /// The keys that mean it; the first is the one that is shown.
    pub chords: &'static [Chord],
    /// A word or two for the foot of the screen; empty for keys that everybody tries anyway.
    pub label: &'static str,
    /// What it does, for the help.
    pub help: &'static str,
    /// The meaning.
    pub does: Intent,
}

/// A place where keys have a meaning of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is named after its screen or dialog")]
pub enum Place {
    Small,
    Help,
    Themes,
    FailedBuild,
    Script,
    Difference,
    Stranger,
    Change,
    Confirm,
    ConfirmTyping,
    Prompt,
    Welcome,
    Host,
    Labs,
    Menu,
    Jobs,
    Workspaces,
    Ports,
    Snapshots,
    Filter,
    Options,
    OptionsTyping,
    Review,
    Run,
    /// The build beside the log of a run.
    Build,
    Search,
    Result,
    /// The result of a run that can be gone on with.
    ResultOpen,
}

impl Place {
    /// Where the keys of this model go now.
    pub fn of(model: &Model) -> Self {
        if model.is_small() {
            return Self::Small;
        }
        if model.help.is_some() {
            return Self::Help;
        }
        Self::under_help(model)
    }

    /// The place whose keys the help lists.
    pub fn under_help(model: &Model) -> Self {
        match &model.dialog {
            Some(Dialog::Themes(_)) => return Self::Themes,
            Some(Dialog::FailedBuild(_)) => return Self::FailedBuild,
            Some(Dialog::Script(_)) => return Self::Script,
            Some(Dialog::Change(_)) => return Self::Change,
            Some(Dialog::Text(reading)) => {
                return match reading.of {
                    Subject::Difference(..) => Self::Difference,
                    Subject::Stage(_) => Self::Stranger,
                };
            }
            Some(Dialog::Prompt(_)) => return Self::Prompt,
            Some(Dialog::Confirm(confirm)) if confirm.is_typing() => return Self::ConfirmTyping,
            Some(Dialog::Confirm(_) | Dialog::Unfinished(_)) => return Self::Confirm,
            None => {}
        }
        Self::of_screen(model)
    }

    fn of_screen(model: &Model) -> Self {
        match model.screen() {
            Screen::Welcome => Self::Welcome,
            Screen::Host => Self::Host,
            Screen::Labs => Self::Labs,
            Screen::Menu => Self::Menu,
            Screen::Jobs => Self::Jobs,
            Screen::Workspaces => Self::Workspaces,
            Screen::Ports => Self::Ports,
            Screen::Snapshots if model.picker.typing => Self::Filter,
            Screen::Snapshots => Self::Snapshots,
            Screen::Options | Screen::User if model.form().is_some_and(super::form::Form::is_typing) => {
                Self::OptionsTyping
            }
            Screen::Options | Screen::User => Self::Options,
            Screen::Review => Self::Review,
            Screen::Run if model.run.as_ref().is_some_and(|r| r.viewer.is_typing()) => Self::Search,
            Screen::Run if model.run.as_ref().is_some_and(|r| r.build.shown && r.build.focus) => Self::Build,
            Screen::Run => Self::Run,
            Screen::Result if model.run.as_ref().is_some_and(RunView::can_go_on) => Self::ResultOpen,
            Screen::Result => Self::Result,
        }
    }

    /// Whether letters are text here.
    pub fn is_typing(self) -> bool {
        matches!(
            self,
            Self::ConfirmTyping | Self::Prompt | Self::Filter | Self::OptionsTyping | Self::Search
        )
    }

    /// Its own keys.
    pub fn keys(self) -> &'static [Key] {
        match self {
            Self::Small => SMALL,
            Self::Help => HELP,
            Self::Themes => THEMES,
            Self::FailedBuild => FAILED_BUILD,
            Self::Script => SCRIPT,
            Self::Difference => DIFFERENCE,
            Self::Stranger => STRANGER,
            Self::Change => CHANGE,
            Self::Confirm => CONFIRM,
            Self::ConfirmTyping => CONFIRM_TYPING,
            Self::Prompt => PROMPT,
            Self::Welcome => WELCOME,
            Self::Host => HOST,
            Self::Labs => LABS,
            Self::Menu => MENU,
            Self::Jobs => JOBS,
            Self::Workspaces => WORKSPACES,
            Self::Ports => PORTS,
            Self::Snapshots => SNAPSHOTS,
            Self::Filter => FILTER,
            Self::Options => OPTIONS,
            Self::OptionsTyping => OPTIONS_TYPING,
            Self::Review => REVIEW,
            Self::Run => RUN,
            Self::Build => BUILD,
            Self::Search => SEARCH,
            Self::Result => RESULT,
            Self::ResultOpen => RESULT_OPEN,
        }
    }

    /// The keys that mean the same everywhere, as far as they do here.
    pub fn common(self) -> &'static [Key] {
        match self {
            Self::Small => &[],
            Self::Help | Self::Script | Self::Difference | Self::Stranger => PAGED,
            Self::Confirm | Self::Themes | Self::FailedBuild | Self::Change => DIALOG,
            _ if self.is_typing() => CONTROL,
            _ => COMMON,
        }
    }

    /// What a key means here.
    pub fn find(self, event: &KeyEvent) -> Option<Intent> {
        let chord = chord(event);
        let look = |keys: &'static [Key]| {
            let key = keys.iter().find(|key| key.chords.contains(&chord));
            key.map(|key| key.does)
        };
        let log = || match view::keys::find(event) {
            Some(view::Intent::Help) => Some(Intent::Help),
            intent => intent.filter(|i| is_of_log(*i)).map(Intent::View),
        };
        let log = || if self.has_log() { log() } else { None };
        look(self.keys()).or_else(log).or_else(|| look(self.common()))
    }

    /// Whether keys that are not its own are those of a log.
    fn has_log(self) -> bool {
        matches!(self, Self::Run | Self::Build)
    }

    /// The keys of the log viewer, where it is a part of the screen.
    pub fn keys_of_log(self) -> impl Iterator<Item = &'static view::keys::Key> {
        let inside = self.has_log();
        view::keys::KEYS
            .iter()
            .filter(move |key| inside && is_of_log(key.does))
    }
}

/// Whether a key of the viewer means the same inside a screen; the others are the screen's own.
fn is_of_log(intent: view::Intent) -> bool {
    use view::Intent as I;
    !matches!(
        intent,
        I::SearchBack | I::Help | I::Quit | I::Suspend | I::Redraw | I::Interrupt | I::Back
    )
}
