//! The terminal's guard: a small shell that waits beside us and gives the terminal back where we are killed.
//!
//! It knows of our end by a pipe that closes with us, whatever ended us, so that this program stays the one whose job,
//! signals and exit code the user's shell sees. It is started after the first frame, costs nothing until our end, and is
//! in a process group of its own: what kills ours does not kill it.

use std::{
    fs::{File, read_link},
    io::{self, Write as _, stdin, stdout},
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    process::{ChildStdin, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::termios::{ControlModes, InputModes, LocalModes, OutputModes, Termios, isatty, tcgetattr};

use crate::log::sanitize;

const SCRIPT: &str = include_str!("../../assets/terminal/guard.sh");

/// What the terminal is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Screens of ours.
    Screen,
    /// A command inside a lab, which may have set modes of its own.
    Shell,
}

/// What the guard knows, or is to know once it is there.
struct Guard {
    pipe: Option<ChildStdin>,
    modes: String,
    words: String,
    taken: Option<Taken>,
}

static GUARD: Mutex<Guard> = Mutex::new(Guard {
    pipe: None,
    modes: String::new(),
    words: String::new(),
    taken: None,
});

impl Guard {
    fn get() -> MutexGuard<'static, Self> {
        GUARD.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Without a guard nothing is told; one that is gone is not asked again.
    fn tell(&mut self, line: &str) {
        let told = self.pipe.as_mut().map(|pipe| writeln!(pipe, "{line}"));
        if matches!(told, Some(Err(_))) {
            self.pipe = None;
        }
    }

    fn tell_taken(&mut self) {
        self.tell(self.word());
    }

    fn word(&self) -> &'static str {
        match self.taken {
            Some(Taken::Screen) => "screen",
            Some(Taken::Shell) => "shell",
            None => "given",
        }
    }
}

/// Starts the guard, once. Best after the first frame: it costs about half a millisecond. Without a shell there is none.
pub(super) fn start() {
    let mut guard = Guard::get();
    if guard.pipe.is_some() || guard.taken.is_none() || !isatty(stdout()) {
        return;
    }
    guard.pipe = spawn(&guard).ok();
}

/// The terminal is about to be taken: its modes are as they shall be afterwards.
pub(super) fn take(taken: Taken) {
    let mut guard = Guard::get();
    if guard.taken.is_none()
        && let Ok(before) = terminal_modes()
    {
        guard.modes = words_of(&before);
        let line = format!("modes {}", guard.modes);
        guard.tell(&line);
    }
    guard.taken = Some(taken);
    guard.tell_taken();
}

/// The terminal was given back by ourselves.
pub(super) fn given() {
    let mut guard = Guard::get();
    guard.taken = None;
    guard.tell_taken();
}

/// What is still going on, in a sentence: said where we are killed. Empty where nothing is.
pub(super) fn say(words: &str) {
    let mut guard = Guard::get();
    guard.words = sanitize(words);
    let line = format!("words {}", or_usual(&guard.words));
    guard.tell(&line);
}

fn or_usual(words: &str) -> &str {
    if words.is_empty() {
        "halolab was killed; this terminal is as it was before"
    } else {
        words
    }
}

/// All that it has to know it knows from its first moment on.
fn spawn(guard: &Guard) -> io::Result<ChildStdin> {
    let terminal = stdout().as_fd().try_clone_to_owned()?;
    let name = read_link("/proc/self/fd/1").unwrap_or_else(|_| "/dev/tty".into());
    #[expect(
        clippy::disallowed_methods,
        reason = "it outlives us, and does nothing but wait until then"
    )]
    let mut command = std::process::Command::new("/bin/sh");
    let told = |line: &&str| !line.trim_start().starts_with('#');
    let script: Vec<&str> = SCRIPT.lines().filter(told).collect();
    command
        .arg("-c")
        .arg(script.join("\n"))
        .arg("halolab-guard")
        .arg(name)
        .args([&guard.modes, or_usual(&guard.words), guard.word()])
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(terminal)
        .stderr(Stdio::null())
        .process_group(0);
    let mut child = command.spawn()?;
    child
        .stdin
        .take()
        .ok_or_else(|| io::Error::other("the guard has no pipe"))
}

/// As crossterm finds the terminal.
fn terminal_modes() -> io::Result<Termios> {
    let input = stdin();
    if isatty(&input) {
        return Ok(tcgetattr(&input)?);
    }
    Ok(tcgetattr(File::open("/dev/tty")?)?)
}

/// What raw mode takes away of these modes, as words of `stty` that put it back.
fn words_of(modes: &Termios) -> String {
    let (input, output) = (modes.input_modes, modes.output_modes);
    let (local, control) = (modes.local_modes, modes.control_modes);
    let flags = [
        ("ignbrk", input.contains(InputModes::IGNBRK)),
        ("brkint", input.contains(InputModes::BRKINT)),
        ("parmrk", input.contains(InputModes::PARMRK)),
        ("istrip", input.contains(InputModes::ISTRIP)),
        ("inlcr", input.contains(InputModes::INLCR)),
        ("igncr", input.contains(InputModes::IGNCR)),
        ("icrnl", input.contains(InputModes::ICRNL)),
        ("ixon", input.contains(InputModes::IXON)),
        ("opost", output.contains(OutputModes::OPOST)),
        ("echo", local.contains(LocalModes::ECHO)),
        ("echonl", local.contains(LocalModes::ECHONL)),
        ("icanon", local.contains(LocalModes::ICANON)),
        ("isig", local.contains(LocalModes::ISIG)),
        ("iexten", local.contains(LocalModes::IEXTEN)),
        ("parenb", control.contains(ControlModes::PARENB)),
        ("cs7", control & ControlModes::CSIZE == ControlModes::CS7),
    ];
    let words: Vec<&str> = flags
        .iter()
        .filter(|(_, on)| *on)
        .map(|(word, _)| *word)
        .collect();
    words.join(" ")
}
