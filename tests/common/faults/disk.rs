//! A disk that fails at one call of the program, or a power cut there: `tests/standins/disk.c`, compiled for a test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use super::ground::{Ground, Ran};

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The program is killed before it.
    Kill,
    /// Half of a write is done, then the program is killed; after any other call it is killed.
    Torn,
    /// It fails with EIO, once.
    Eio,
    /// It fails with ENOSPC, and everything after it that needs room.
    Enospc,
}

impl Harm {
    pub const ALL: [Self; 4] = [Self::Kill, Self::Torn, Self::Eio, Self::Enospc];

    fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Torn => "torn",
            Self::Eio => "eio",
            Self::Enospc => "enospc",
        }
    }

    /// Whether the program ends by it at once.
    pub fn kills(self) -> bool {
        matches!(self, Self::Kill | Self::Torn)
    }

    /// The system's words for it.
    pub fn said(self) -> &'static str {
        if self == Self::Enospc {
            "No space left"
        } else {
            "Input/output error"
        }
    }
}

/// The tracer.
pub struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Compiles it.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standins/disk.c");
        let ended = Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(folder.path().join("disk"))
            .arg(source)
            .status()
            .expect("a C compiler is here: install gcc");
        assert!(ended.success(), "tests/standins/disk.c does not compile");
        Self { folder }
    }

    /// Runs the program with a harm at a call; what it did before, and whether the call came.
    pub fn run(
        &self,
        ground: &Ground,
        arguments: &[String],
        harm: Option<(Harm, &str)>,
        limit: Duration,
    ) -> (Ran, Vec<String>, bool) {
        let (mode, at) = harm.map_or(("none", ""), |(harm, at)| (harm.word(), at));
        let log = self.log(ground);
        let _ = fs::remove_file(&log);
        let ran = ground.run_with(arguments, limit, |command| {
            let mut outer = Command::new(self.folder.path().join("disk"));
            outer.args([mode, at]).arg(&log).arg(ground.home.folder.path());
            outer.arg(command.get_program()).args(command.get_args());
            for (name, value) in command.get_envs() {
                match value {
                    Some(value) => outer.env(name, value),
                    None => outer.env_remove(name),
                };
            }
            *command = outer;
        });
        let text = fs::read_to_string(log).unwrap_or_default();
        let hit = text.lines().any(|line| line == "HIT");
        let lab = mask(ground.lab());
        let calls = text.lines().filter(|line| *line != "HIT");
        let calls = calls.map(|call| call.replace(&lab, "LAB")).collect();
        (ran, calls, hit)
    }

    /// Where the calls are written while it runs.
    pub fn log(&self, ground: &Ground) -> PathBuf {
        self.folder.path().join(ground.lab())
    }
}

/// A call of a list as the tracer names it for this ground.
pub fn named_for(ground: &Ground, call: &str) -> String {
    call.replace("LAB", &mask(ground.lab()))
}

/// A name with `*` for each run of digits.
fn mask(name: &str) -> String {
    let mut masked = String::new();
    for letter in name.chars() {
        match letter {
            '0'..='9' if masked.ends_with('*') => {}
            '0'..='9' => masked.push('*'),
            other => masked.push(other),
        }
    }
    masked
}
