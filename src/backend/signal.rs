//! How a command inside an instance is stopped with everything that it started: each has a mark in its environment.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// The environment variable by which a command's descendants are found when it is stopped.
pub(in crate::backend) const MARK: &str = "HALOLAB_EXEC";

/// Sends signal `$1` to every process with `$2` in its environment. The engines themselves can only signal the direct
/// child, or none: `apt-get` under `sh -c` would go on.
pub(in crate::backend) const KILL: &str = r#"for process in /proc/[0-9]*; do
  tr '\0' '\n' 2>/dev/null <"$process/environ" | grep -qxF "$2" && kill "-$1" "${process#/proc/}"
done; true"#;

/// The value of a mark that no other command has.
pub(in crate::backend) fn mark() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
