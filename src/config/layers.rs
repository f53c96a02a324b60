//! Settings put together from files, the environment and flags, and where each comes from.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde_json::json;
use toml::{Table, Value};
use url::Url;

use super::Config;
use crate::{
    document::{Document, Place, Problem, read_text},
    paths::{FileError, Paths},
};

/// Where a value comes from, weakest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A file, by its path.
    File(PathBuf),
    /// A variable of the environment, by name.
    Environment(String),
    /// A flag of the command line, by name.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A mistake in a file.
    #[error("{0}")]
    File(#[from] Box<Problem>),
    /// A value of a flag or variable that is not of the setting's type.
    #[error("{origin}: `{value}` is not {expected}")]
    Value {
        /// Where it comes from.
        origin: Origin,
        /// What was given.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// A file that is not TOML cannot be changed.
    #[error("{}: is not TOML, so that nothing was changed: {message}", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A theme's name is a file's name.
    #[error("`{}` is not a theme's name: letters, digits, - and _", .0.escape_debug())]
    Theme(String),
}

/// The settings, and where each comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The settings.
    pub config: Config,
    /// Origin of each value by its dotted key; a key that is not there is a default.
    origins: BTreeMap<String, Origin>,
}

/// What a flag or a variable is read as.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Number,
}

/// The settings that a flag or a variable (`HALOLAB_KEEP_SAFETY`) can give.
const SINGLE: [(&str, Kind); 9] = [
    ("theme", Kind::Text),
    ("ascii", Kind::Flag),
    ("mouse", Kind::Flag),
    ("lxd", Kind::Text),
    ("data", Kind::Text),
    ("pool", Kind::Text),
    ("keep-safety", Kind::Number),
    ("keep-days", Kind::Number),
    ("notify", Kind::Flag),
];

impl Settings {
    /// Reads both files, the environment and the flags, as `("theme", "light")`.
    pub fn load(paths: &Paths, flags: &[(&str, String)]) -> Result<Self, ConfigError> {
        Self::load_with(paths, |name| env::var(name).ok(), flags)
    }

    /// The same with another environment.
    pub fn load_with(
        paths: &Paths,
        environment: impl Fn(&str) -> Option<String>,
        flags: &[(&str, String)],
    ) -> Result<Self, ConfigError> {
        let mut layers = Layers::default();
        for file in [paths.system_config_file(), paths.config_file()] {
            if let Some(table) = read_layer(&file)? {
                layers.add(table, &Origin::File(file));
            }
        }
        for (key, kind) in SINGLE {
            let name = format!("HALOLAB_{}", key.to_uppercase().replace('-', "_"));
            if let Some(text) = environment(&name).filter(|text| !text.is_empty()) {
                layers.set(key, kind, &text, &Origin::Environment(name))?;
            }
        }
        for (key, text) in flags {
            if let Some((key, kind)) = SINGLE.iter().find(|(name, _)| name == key) {
                layers.set(key, *kind, text, &Origin::Flag((*key).to_owned()))?;
            }
        }
        layers.finish()
    }

    /// Where a value comes from, by its dotted key: `theme`, `remotes.images.lxd`.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    /// The settings as TOML, a line a value; with where each comes from as a comment.
    pub fn show(&self, with_origin: bool) -> String {
        let lines = self.values().into_iter().map(|(key, value)| {
            let origin = self.origin(&key).to_string();
            let comment = if with_origin {
                format!("  # {origin}")
            } else {
                String::new()
            };
            format!("{key} = {value}{comment}\n")
        });
        lines.collect()
    }

    /// The same for programs: `{"theme": {"value": "dark", "origin": "default"}, …}`.
    pub fn show_json(&self) -> serde_json::Value {
        let values = self.values().into_iter().map(|(key, value)| {
            let origin = self.origin(&key).to_string();
            (key, json!({ "value": value, "origin": origin }))
        });
        serde_json::Value::Object(values.collect())
    }

    fn values(&self) -> Vec<(String, Value)> {
        let mut found = vec![];
        leaves(&Table::try_from(&self.config).unwrap_or_default(), "", &mut found);
        found
    }
}

/// Settings while they are put together.
#[derive(Default)]
struct Layers {
    table: Table,
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Puts a table over what is there, value by value.
    fn add(&mut self, table: Table, origin: &Origin) {
        let mut keys = vec![];
        leaves(&table, "", &mut keys);
        for (key, _) in keys {
            self.origins.insert(key, origin.clone());
        }
        merge(&mut self.table, table);
    }

    fn set(&mut self, key: &str, kind: Kind, text: &str, origin: &Origin) -> Result<(), ConfigError> {
        let wrong = |expected| ConfigError::Value {
            origin: origin.clone(),
            value: text.to_owned(),
            expected,
        };
        let value = match kind {
            Kind::Text => Value::String(text.to_owned()),
            Kind::Flag => match text {
                "1" | "true" | "yes" | "on" => Value::Boolean(true),
                "0" | "false" | "no" | "off" => Value::Boolean(false),
                _ => return Err(wrong("one of true, false, yes, no, on, off, 1, 0")),
            },
            Kind::Number => {
                let number: u32 = text.parse().map_err(|_| wrong("a whole number"))?;
                Value::Integer(number.into())
            }
        };
        self.add(Table::from_iter([(key.to_owned(), value)]), origin);
        Ok(())
    }

    fn finish(self) -> Result<Settings, ConfigError> {
        let mut table = Table::try_from(Config::default()).unwrap_or_default();
        merge(&mut table, self.table);
        // Each layer has been read as the same type before: this says what went wrong all the same.
        let config: Config = table
            .try_into()
            .map_err(|error: toml::de::Error| Box::new(Problem::unreadable("settings", error.message())))?;
        if let Some((keys, expected)) = mistake(&config) {
            let key = keys.join(".");
            let value = keys.last().map_or(String::new(), |_| value_of(&config, &key));
            let origin = self.origins.get(&key).cloned().unwrap_or(Origin::Default);
            return Err(ConfigError::Value {
                origin,
                value,
                expected,
            });
        }
        Ok(Settings {
            config,
            origins: self.origins,
        })
    }
}

fn value_of(config: &Config, key: &str) -> String {
    let mut found = vec![];
    leaves(&Table::try_from(config).unwrap_or_default(), "", &mut found);
    let value = found
        .into_iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value);
    value.map_or(String::new(), |value| {
        value.as_str().map_or_else(|| value.to_string(), Into::into)
    })
}

/// Reads one file; none where there is none.
fn read_layer(path: &Path) -> Result<Option<Table>, ConfigError> {
    if fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(None);
    }
    let text = read_text(path)?;
    let name = path.display().to_string();
    let document = Document::parse(&name, &text)?;
    let config: Config = document.read()?;
    if let Some((keys, expected)) = mistake(&config) {
        let place = keys.iter().fold(Place::default(), |place, key| place.key(key));
        return Err(Box::new(document.problem(&place, format!("this is not {expected}"))).into());
    }
    Ok(Some(document.read()?))
}

/// What the types do not say: the keys to the first wrong value, and what would be right.
fn mistake(config: &Config) -> Option<(Vec<&str>, &'static str)> {
    if !is_theme_name(&config.theme) {
        return Some((vec!["theme"], "a theme's name: letters, digits, - and _"));
    }
    if !config.data.is_absolute() {
        return Some((vec!["data"], "an absolute path"));
    }
    for (name, remote) in &config.remotes {
        for (key, url) in [("lxd", &remote.lxd), ("incus", &remote.incus)] {
            let is_web =
                |url: &String| Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
            if url.as_ref().is_some_and(|url| !is_web(url)) {
                return Some((vec!["remotes", name, key], "a URL of an image server: https://…"));
            }
        }
        if remote
            .certificate
            .as_ref()
            .is_some_and(|path| !path.is_absolute())
        {
            return Some((vec!["remotes", name, "certificate"], "an absolute path"));
        }
    }
    None
}

pub(super) fn is_theme_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn merge(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn leaves(table: &Table, prefix: &str, found: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let plain = !key.is_empty()
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let key = if plain {
            key.clone()
        } else {
            Value::String(key.clone()).to_string()
        };
        let key = if prefix.is_empty() {
            key
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            Value::Table(table) => leaves(table, &key, found),
            value => found.push((key, value.clone())),
        }
    }
}
