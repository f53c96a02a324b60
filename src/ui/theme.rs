//! Themes: styles by what they mean, read from `themes/*.toml` and the user's theme folder.
//!
//! A theme has a table for terminals with all colours and one for those with sixteen; a user's file
//! names only what it changes, the rest is `dark`. No colour carries meaning alone: every state has
//! a glyph and a word beside it.

use std::path::Path;

use include_dir::{Dir, include_dir};
use ratatui::style::{Modifier, Style};
use serde::Deserialize;

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/themes");
/// A theme file is colours only; more than this is something else.
const FILE_LIMIT: u64 = 64 * 1024;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// No colours: `NO_COLOR`.
    Mono,
    /// The sixteen of the terminal's own palette.
    #[default]
    Ansi,
    /// All of them.
    Full,
}

impl Depth {
    /// From the environment: `NO_COLOR`, then `COLORTERM`.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        if variable("NO_COLOR").is_some_and(|v| !v.is_empty()) {
            return Self::Mono;
        }
        match variable("COLORTERM").as_deref() {
            Some("truecolor" | "24bit") => Self::Full,
            _ => Self::Ansi,
        }
    }
}

macro_rules! styles {
    ($($name:ident $(as $key:literal)?: $doc:literal,)*) => {
        /// A style for each kind of thing.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Styles { $(#[doc = $doc] pub $name: Style,)* }

        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Patch { $($(#[serde(rename = $key)])? $name: Option<Style>,)* }

        impl Styles {
            fn patched(self, patch: &Patch) -> Self {
                Self { $($name: patch.$name.unwrap_or(self.$name),)* }
            }

            fn map(self, change: impl Fn(Style) -> Style) -> Self {
                Self { $($name: change(self.$name),)* }
            }
        }
    };
}

styles! {
    screen: "The whole screen.",
    text: "Plain text.",
    dim: "What matters less: hints, labels.",
    title: "Titles.",
    accent: "What stands out.",
    border: "Borders.",
    focus: "The border of the pane that has the keys.",
    selected: "The row under the cursor.",
    key: "The name of a key in the hints.",
    input: "A line that can be typed into.",
    matched as "match": "What a search found.",
    ok: "What worked.",
    warn: "What needs a look.",
    error: "What failed or destroys.",
    busy: "What is being done.",
}

impl Styles {
    /// Whether nothing has a colour.
    pub fn is_mono(&self) -> bool {
        let coloured = |s: Style| s.fg.is_some() || s.bg.is_some();
        ![self.text, self.error, self.ok, self.matched]
            .into_iter()
            .any(coloured)
    }
}

/// A theme for one terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Name of its file, without the extension.
    pub name: String,
    /// As people read it.
    pub title: String,
    /// The styles, for this terminal.
    pub styles: Styles,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: Option<String>,
    #[serde(default)]
    truecolor: Patch,
    #[serde(default)]
    ansi: Patch,
}

/// Why a theme cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    /// There is no theme of that name.
    #[error("there is no theme `{name}`; there are {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The file says something else than a theme.
    #[error("the theme file {file} cannot be used: {reason}")]
    Invalid {
        /// The file.
        file: String,
        /// Line, column, and what is allowed.
        reason: String,
    },
}

impl Theme {
    /// A theme out of the text of its file, laid over `dark`.
    pub fn parse(name: &str, text: &str, depth: Depth) -> Result<Self, ThemeError> {
        let read = |name: &str, text: &str| -> Result<File, ThemeError> {
            toml::from_str(text).map_err(|error| ThemeError::Invalid {
                file: format!("{name}.toml"),
                reason: error.to_string(),
            })
        };
        let of = |file: &File, styles: Styles| match depth {
            Depth::Full => styles.patched(&file.truecolor),
            Depth::Ansi | Depth::Mono => styles.patched(&file.ansi),
        };
        let dark = embedded("dark").unwrap_or_default();
        let mut styles = Styles::default();
        // The one that most have is read once.
        if text != dark {
            styles = of(&read("dark", dark)?, styles);
        }
        let file = read(name, text)?;
        styles = of(&file, styles);
        Ok(Self {
            name: name.into(),
            title: file.title.unwrap_or_else(|| name.into()),
            styles: if depth == Depth::Mono {
                mono(styles)
            } else {
                styles
            },
        })
    }

    /// The terminal's own colours: what is left where no theme can be read.
    pub fn plain() -> Self {
        Self {
            name: "plain".into(),
            title: "plain".into(),
            styles: mono(Styles::default()),
        }
    }

    /// The embedded themes, in the order in which they are offered.
    pub fn embedded(depth: Depth) -> Vec<Self> {
        let mut names: Vec<_> = EMBEDDED
            .files()
            .filter_map(|f| f.path().file_stem()?.to_str())
            .collect();
        names.sort_unstable();
        let theme = |name: &&str| Self::parse(name, embedded(name)?, depth).ok();
        names.iter().filter_map(theme).collect()
    }

    /// All themes: the embedded ones, then those of the user's folder, which win over them. The
    /// second part says which files cannot be used and why.
    pub fn all(folder: Option<&Path>, depth: Depth) -> (Vec<Self>, Vec<ThemeError>) {
        let (mut themes, mut errors) = (Self::embedded(depth), vec![]);
        let entries = folder.and_then(|f| std::fs::read_dir(f).ok());
        for path in entries.into_iter().flatten().flatten().map(|e| e.path()) {
            if path.extension().is_none_or(|e| e != "toml") {
                continue;
            }
            match read_user(&path, depth) {
                Ok(theme) => {
                    themes.retain(|t| t.name != theme.name);
                    themes.push(theme);
                }
                Err(error) => errors.push(error),
            }
        }
        (themes, errors)
    }

    /// One theme by its name, without reading the others.
    pub fn load(folder: Option<&Path>, name: &str, depth: Depth) -> Result<Self, ThemeError> {
        // A name is a file's name, and nothing of a path.
        let plain = !name.is_empty() && !name.contains('/') && !name.starts_with('.');
        let path = folder.filter(|_| plain).map(|f| f.join(format!("{name}.toml")));
        if let Some(path) = path.filter(|p| p.is_file()) {
            return read_user(&path, depth);
        }
        match embedded(name) {
            Some(text) => Self::parse(name, text, depth),
            None => Self::pick(&Self::embedded(depth), name),
        }
    }

    /// One of them by name.
    pub fn pick(themes: &[Self], name: &str) -> Result<Self, ThemeError> {
        themes
            .iter()
            .find(|t| t.name == name)
            .cloned()
            .ok_or_else(|| ThemeError::Unknown {
                name: crate::log::sanitize(name),
                known: themes.iter().map(|t| t.name.clone()).collect(),
            })
    }
}

fn embedded(name: &str) -> Option<&'static str> {
    EMBEDDED.get_file(format!("{name}.toml"))?.contents_utf8()
}

fn read_user(path: &Path, depth: Depth) -> Result<Theme, ThemeError> {
    let invalid = |reason: String| ThemeError::Invalid {
        file: crate::log::sanitize(&path.to_string_lossy()),
        reason,
    };
    let size = std::fs::metadata(path).map_err(|e| invalid(e.to_string()))?.len();
    if size > FILE_LIMIT {
        return Err(invalid(format!("it is larger than {FILE_LIMIT} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| invalid(e.to_string()))?;
    let name = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Theme::parse(&crate::log::sanitize(&name), &text, depth).map_err(|error| match error {
        ThemeError::Invalid { reason, .. } => invalid(crate::log::sanitize_text(&reason)),
        other @ ThemeError::Unknown { .. } => other,
    })
}

/// Without colours the cursor is a reversed row, and everything else keeps its weight.
fn mono(styles: Styles) -> Styles {
    let plain = styles.map(|s| Style {
        fg: None,
        bg: None,
        ..s
    });
    Styles {
        selected: plain.selected.add_modifier(Modifier::REVERSED),
        matched: plain.matched.add_modifier(Modifier::REVERSED),
        input: plain.input.add_modifier(Modifier::UNDERLINED),
        ..plain
    }
}
