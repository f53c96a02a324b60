//! Which lines of a log say that something went wrong: the patterns of `assets/severity.toml`.
//!
//! One table for all who look for errors, so that the viewer's "next error" key and the progress of a job agree.

use std::{borrow::Cow, sync::LazyLock};

use regex::bytes::{RegexSet, RegexSetBuilder};
use serde::{Deserialize, Serialize};

const TABLE: &str = include_str!("../../assets/severity.toml");
/// Bytes of a line that are looked at; what is wrong is said early in a line.
const LOOKED_AT: usize = 4096;

/// How bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look.
    Warning,
    /// Something failed.
    Error,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    error: Rows,
    warning: Rows,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    patterns: Vec<String>,
    except: Vec<String>,
}

struct Class {
    patterns: RegexSet,
    except: RegexSet,
}

impl Class {
    fn of(rows: &Rows) -> Option<Self> {
        let set = |patterns: &[String]| RegexSetBuilder::new(patterns).unicode(false).build().ok();
        Some(Self {
            patterns: set(&rows.patterns)?,
            except: set(&rows.except)?,
        })
    }

    fn holds(&self, line: &[u8]) -> bool {
        self.patterns.is_match(line) && !self.except.is_match(line)
    }
}

/// Errors, then warnings. The table is ours: a test shows that it can be read.
static CLASSES: LazyLock<Option<(Class, Class)>> = LazyLock::new(|| {
    let table: Table = toml::from_str(TABLE).ok()?;
    Some((Class::of(&table.error)?, Class::of(&table.warning)?))
});

/// What a raw line of a log says of itself. Colours in it do not matter; only its first 4096 bytes count.
pub fn severity(line: &[u8]) -> Option<Severity> {
    let line = line.get(..LOOKED_AT).unwrap_or(line);
    let line = if memchr::memchr2(0x1b, b'\r', line).is_some() {
        let text = String::from_utf8_lossy(line);
        Cow::Owned(super::sanitize_line(text.as_bytes()).to_string().into_bytes())
    } else {
        Cow::Borrowed(line)
    };
    let (errors, warnings) = CLASSES.as_ref()?;
    if errors.holds(&line) {
        return Some(Severity::Error);
    }
    warnings.holds(&line).then_some(Severity::Warning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_of_the_table_can_be_read() {
        assert!(CLASSES.is_some(), "assets/severity.toml has a mistake");
    }
}
