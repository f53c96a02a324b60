//! What the screens are drawn with: the theme, and glyphs that a plain terminal has too.

use ratatui::{
    style::{Modifier, Style},
    symbols::border,
    widgets::BorderType,
};

use crate::{backend::Status, labs::Presence, view::Palette};

use super::theme::{Styles, Theme};

/// Theme and glyphs of this terminal.
#[derive(Clone, Debug)]
pub struct Look {
    /// The theme in use.
    pub theme: Theme,
    /// The glyphs in use.
    pub glyphs: Glyphs,
    /// Only ASCII characters.
    pub ascii: bool,
}

impl Look {
    /// A look.
    pub fn new(theme: Theme, ascii: bool) -> Self {
        let glyphs = if ascii { ASCII } else { UNICODE };
        Self { theme, glyphs, ascii }
    }

    /// The styles.
    pub fn styles(&self) -> &Styles {
        &self.theme.styles
    }

    /// What the log viewer is drawn with.
    pub fn palette(&self) -> Palette {
        let s = self.styles();
        let reversed = Style::new().add_modifier(Modifier::REVERSED);
        // Without colours only weight tells the status from the log.
        let (status, focus) = if s.is_mono() {
            (Style::new().add_modifier(Modifier::UNDERLINED), reversed)
        } else {
            (
                s.input.patch(Style {
                    fg: s.dim.fg,
                    ..Style::new()
                }),
                s.input,
            )
        };
        Palette {
            text: s.text,
            dim: s.dim,
            title: s.title,
            border: s.border,
            key: s.key,
            input: s.input,
            matched: s.matched,
            selected: s.selected,
            ok: s.ok,
            warn: s.warn,
            error: s.error,
            accent: s.accent,
            status,
            focus,
            ascii: self.ascii,
            colours: !s.is_mono(),
        }
    }

    /// The lines of borders.
    pub fn border(&self) -> border::Set<'static> {
        if self.ascii {
            border::Set {
                top_left: "+",
                top_right: "+",
                bottom_left: "+",
                bottom_right: "+",
                vertical_left: "|",
                vertical_right: "|",
                horizontal_top: "-",
                horizontal_bottom: "-",
            }
        } else {
            BorderType::Rounded.to_border_set()
        }
    }

    /// Our own text in the characters of this terminal. Names and words of others are not ours to change.
    pub fn own(&self, text: &str) -> String {
        if !self.ascii || text.is_ascii() {
            return text.into();
        }
        text.replace('…', "...")
            .replace(['·', '–', '—'], "-")
            .replace('→', "->")
    }
}

/// The glyphs of states and marks.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each is named after what it marks")]
pub struct Glyphs {
    pub running: &'static str,
    pub stopped: &'static str,
    pub frozen: &'static str,
    pub broken: &'static str,
    pub missing: &'static str,
    pub unfinished: &'static str,
    pub foreign: &'static str,
    pub unknown: &'static str,
    pub ok: &'static str,
    pub failed: &'static str,
    pub warn: &'static str,
    pub waiting: &'static str,
    pub busy: &'static str,
    pub skipped: &'static str,
    pub cursor: &'static str,
    pub pinned: &'static str,
    pub dot: &'static str,
    pub left: &'static str,
    pub right: &'static str,
    pub more: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    pub bar_full: &'static str,
    pub bar_empty: &'static str,
}

const UNICODE: Glyphs = Glyphs {
    running: "●",
    stopped: "○",
    frozen: "◐",
    broken: "✖",
    missing: "·",
    unfinished: "◌",
    foreign: "◇",
    unknown: "?",
    ok: "✔",
    failed: "✖",
    warn: "▲",
    waiting: "·",
    busy: "▶",
    skipped: "–",
    cursor: "▸",
    pinned: "★",
    dot: "·",
    left: "‹",
    right: "›",
    more: "…",
    up: "↑",
    down: "↓",
    bar_full: "━",
    bar_empty: "─",
};

const ASCII: Glyphs = Glyphs {
    running: "*",
    stopped: "o",
    frozen: "~",
    broken: "!",
    missing: ".",
    unfinished: "%",
    foreign: "?",
    unknown: "?",
    ok: "+",
    failed: "x",
    warn: "!",
    waiting: ".",
    busy: ">",
    skipped: "-",
    cursor: ">",
    pinned: "P",
    dot: "-",
    left: "<",
    right: ">",
    more: "..",
    up: "^",
    down: "v",
    bar_full: "#",
    bar_empty: "-",
};

impl Look {
    /// Glyph, word and style of a lab's state.
    pub fn state(&self, lab: &crate::labs::Lab) -> (&'static str, &'static str, Style) {
        let (g, s) = (&self.glyphs, self.styles());
        match (lab.presence, lab.instance.as_ref().map(|i| i.status)) {
            (Presence::Missing, _) | (_, None) => (g.missing, "not made", s.dim),
            (Presence::Unfinished, _) => (g.unfinished, "unfinished", s.warn),
            (Presence::Foreign, _) => (g.foreign, "not ours", s.warn),
            (Presence::Ours, _) if lab.updating.is_some() => (g.unfinished, "half updated", s.warn),
            (Presence::Ours, Some(Status::Running)) => (g.running, "running", s.ok),
            (Presence::Ours, Some(Status::Stopped)) => (g.stopped, "stopped", s.text),
            (Presence::Ours, Some(Status::Frozen)) => (g.frozen, "frozen", s.warn),
            (Presence::Ours, Some(Status::Error)) => (g.broken, "broken", s.error),
        }
    }
}
