//! The words that rows of the matrix choose from.

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
