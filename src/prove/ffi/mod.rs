//! The only unsafe code of halolab: calls into GPU drivers, which are opened at run time. Runs in the proof's child
//! process alone, so that a driver that crashes or hangs takes nothing else with it.

mod calls;
mod compiler;
pub(super) mod compute;
pub(super) mod vulkan;

use std::{
    ffi::{CStr, c_char},
    path::PathBuf,
};

use libloading::{Library, Symbol};

/// Why a call did not succeed: the call, its number (0: none), and its name or words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) call: String,
    pub(super) code: i64,
    pub(super) error: String,
    pub(super) kind: Kind,
}

/// What kind of a failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The library is not on this machine.
    NoLibrary,
    /// It is, and shows no device.
    NoDevice,
    /// A call failed.
    Refused,
}

impl Fault {
    pub(super) fn new(call: &str, code: i64, error: impl Into<String>) -> Self {
        Self {
            call: call.to_owned(),
            code,
            error: error.into(),
            kind: Kind::Refused,
        }
    }
}

/// Opens the first of these that is there; it stays open until the process ends, as drivers do not survive a close.
pub(super) fn open(candidates: &[PathBuf]) -> Result<(&'static Library, PathBuf), Fault> {
    let shown = candidates
        .first()
        .map(|c| c.display().to_string())
        .unwrap_or_default();
    let mut refused = None;
    for candidate in candidates {
        // SAFETY: runs the initialisers of a library that the machine's driver or ROCm installed, which is what every
        // program that uses the GPU does; nothing of ours is shared with them.
        match unsafe { Library::new(candidate) } {
            Ok(library) => return Ok((Box::leak(Box::new(library)), candidate.clone())),
            Err(error) => {
                let words = words(&error);
                let absent =
                    words.contains("No such file") && words.starts_with(&candidate.display().to_string());
                refused = refused.or_else(|| (!absent).then_some((candidate, words)));
            }
        }
    }
    Err(match refused {
        Some((path, words)) => Fault::new(&format!("dlopen {}", path.display()), 0, words),
        None => Fault {
            kind: Kind::NoLibrary,
            ..Fault::new(&format!("dlopen {shown}"), 0, "there is no such library here")
        },
    })
}

/// What the dynamic linker said: libloading's own line hides it.
fn words(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// A function of a library.
///
/// # Safety
/// `T` must be the type of the function pointer of that name, as the library's header has it.
unsafe fn function<T: Copy + 'static>(library: &'static Library, name: &'static str) -> Result<T, Fault> {
    // SAFETY: the caller vouches for the type; the library is never closed.
    let found: Result<Symbol<'static, T>, _> = unsafe { library.get(name.as_bytes()) };
    found
        .map(|symbol| *symbol)
        .map_err(|error| Fault::new(&format!("dlsym {name}"), 0, words(&error)))
}

/// A string of a library; it may be null.
fn string(text: *const c_char) -> String {
    if text.is_null() {
        return "an error without a name".to_owned();
    }
    // SAFETY: not null, and the libraries answer static strings here.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

fn until_nul(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).trim().to_owned()
}
