//! The rows of the matrix: one struct a table. Each row says when it was recorded and by whom.

use serde::Deserialize;

/// How well something works together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Known to work.
    Good,
    /// Known to break.
    Bad,
}

/// What ROCm says of a compute target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RocmSupport {
    /// AMD builds for it.
    Supported,
    /// Others build for it.
    Community,
    /// Nobody does.
    Unsupported,
}

/// A ROCm release on a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Supported.
    Ok,
    /// AMD marks a caution.
    Warn,
    /// Marked as incompatible.
    Bad,
}

/// A device that shows pictures and computes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DisplayKind {
    /// Of a virtual machine.
    Virtual,
    /// Of a server's management controller.
    Management,
}

/// NVIDIA's open kernel module on an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpenModule {
    /// Does not drive it.
    No,
    /// Either module does.
    Optional,
    /// Only the open one does.
    Required,
}

/// A row that a later file may replace.
pub trait Row {
    /// What tells rows of one table apart.
    fn key(&self) -> String;
    /// When it was recorded: `YYYY-MM-DD`.
    fn date(&self) -> &str;
    /// Who says so.
    fn source(&self) -> &str;
    /// Values that must be dotted numbers, by the name of their column.
    fn versions(&self) -> Vec<(&'static str, &str)> {
        vec![]
    }
    /// Values that must be PCI identifiers, by the name of their column.
    fn identifiers(&self) -> Vec<(&'static str, &str)> {
        vec![]
    }
}

/// Declares a table's row, with its key and what of it is checked.
macro_rules! row {
    (
        $(#[$doc:meta])* $name:ident {
            $( $(#[$field_doc:meta])* $field:ident : $type:ty, )*
        }
        key: |$this:ident| $key:expr;
        versions: [$($version:ident = $column:literal),*];
        identifiers: [$($id:ident = $id_column:literal),*];
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $name {
            $( $(#[$field_doc])* pub $field: $type, )*
            /// When it was recorded: `YYYY-MM-DD`.
            pub date: String,
            /// Who says so.
            pub source: String,
        }

        impl Row for $name {
            fn key(&self) -> String {
                let $this = self;
                $key
            }
            fn date(&self) -> &str {
                &self.date
            }
            fn source(&self) -> &str {
                &self.source
            }
            fn versions(&self) -> Vec<(&'static str, &str)> {
                let found: Vec<(&'static str, Option<&str>)> =
                    vec![$(($column, Text::text(&self.$version))),*];
                found.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
            }
            fn identifiers(&self) -> Vec<(&'static str, &str)> {
                vec![$(($id_column, self.$id.as_str())),*]
            }
        }
    };
}

/// A text that may be missing.
trait Text {
    fn text(&self) -> Option<&str>;
}

impl Text for String {
    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl Text for Option<String> {
    fn text(&self) -> Option<&str> {
        self.as_deref()
    }
}

mod amd;
mod nvidia;

pub use amd::*;
pub use nvidia::*;
