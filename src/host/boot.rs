//! The boot configuration as a change that can be shown and taken back: which files, what was in them, what will be.
//!
//! Options of modules go to `/etc/modprobe.d`, as AMD's own tool does it (rocm-docs, system-optimization/rdna3-5). Where
//! the module is built into the kernel, or the parameter is on the kernel's command line already (which wins), the boot
//! loader's files are changed. What is obsolete goes wherever it is. One module a boot loader.

mod cmdline;
mod entries;
mod grub;
mod limine;
pub mod mend;
mod modprobe;
mod refind;
mod refresh;

use serde::{Deserialize, Serialize};

use cmdline::Pen;
pub use cmdline::{Wish, value};
pub use refresh::lacks_refresh;
pub(crate) use refresh::refresh;

use super::Root;

/// Where a parameter is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// `/etc/modprobe.d`.
    Modprobe,
    /// `/etc/default/grub`, and entries of Fedora's kind.
    Grub,
    /// `/etc/kernel/cmdline` and `loader/entries`.
    SystemdBoot,
    /// `/etc/default/limine` or `limine.conf`.
    Limine,
    /// `refind_linux.conf`.
    Refind,
}

impl Way {
    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Modprobe => "/etc/modprobe.d",
            Self::Grub => "GRUB",
            Self::SystemdBoot => "systemd-boot",
            Self::Limine => "Limine",
            Self::Refind => "rEFInd",
        }
    }
}

/// One file that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where it is.
    pub path: String,
    /// What is in it; none where there is no such file.
    pub before: Option<String>,
    /// What will be in it; none removes it.
    pub after: Option<String>,
}

/// What would be done to the boot configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Where the parameters are set.
    pub way: Way,
    /// The files; empty where everything is as it should be.
    pub changes: Vec<Change>,
    /// Shell text, as root, that makes the changes count at the next boot. Empty where nothing has to be made anew.
    pub refresh: String,
    /// The parameters that the wish names as they are set now, each with its value.
    #[serde(default)]
    pub was: Vec<(String, String)>,
}

/// Why no change can be proposed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    /// A file is not text, too large, or may not be read.
    #[error("{path} cannot be read as text; nothing was changed. Look at it with `sudo cat {path}`")]
    Unreadable {
        /// The file.
        path: String,
    },
    /// Only root may look.
    #[error("{path} may be read by root only; nothing was changed. Do it with `sudo halolab doctor …`")]
    Denied {
        /// The file or folder.
        path: String,
    },
    /// A line that a program should not change.
    #[error(
        "{path}:{line}: this line is of a form that halolab does not change; nothing was changed. Change it by hand, or write it as NAME=\"parameters\" on one line"
    )]
    Form {
        /// The file.
        path: String,
        /// Counted from 1.
        line: usize,
    },
    /// The kernel was started with a parameter that no file has.
    #[error(
        "the kernel was started with `{parameter}`, and no file of a boot loader that halolab knows has it; nothing was changed. If it was removed just now, restart first"
    )]
    Unfound {
        /// The parameter with its value.
        parameter: String,
    },
    /// No boot loader that we know.
    #[error(
        "no boot loader's configuration was found (GRUB, systemd-boot, Limine, rEFInd); add `{parameters}` to the kernel's command line by hand"
    )]
    NoLoader {
        /// What has to be there.
        parameters: String,
    },
    /// Several, and the firmware does not say which one booted.
    #[error("there is more than one boot loader: {found}; say which one is used with `--via NAME`")]
    Several {
        /// Their names.
        found: String,
    },
}

/// Files as they are and as they will be; a file that is changed twice counts once.
#[derive(Debug, Default)]
struct Edits(Vec<Change>);

impl Edits {
    /// Changes a file that may be missing; a missing one stays so.
    fn change(
        &mut self,
        root: &Root,
        path: &str,
        with: impl FnOnce(&str) -> Result<String, BootError>,
    ) -> Result<(), BootError> {
        let Some(old) = self.now(root, path)? else {
            return Ok(());
        };
        let new = with(&old)?;
        self.put(root, path, Some(new))
    }

    /// Writes a file of ours; empty text removes it.
    fn write(
        &mut self,
        root: &Root,
        path: &str,
        with: impl FnOnce(&str) -> Result<String, BootError>,
    ) -> Result<(), BootError> {
        let old = self.now(root, path)?.unwrap_or_default();
        let new = with(&old)?;
        self.put(root, path, (!new.is_empty()).then_some(new))
    }

    fn now(&self, root: &Root, path: &str) -> Result<Option<String>, BootError> {
        match self.0.iter().find(|c| c.path == path) {
            Some(change) => Ok(change.after.clone()),
            None => exact(root, path),
        }
    }

    fn put(&mut self, root: &Root, path: &str, after: Option<String>) -> Result<(), BootError> {
        if let Some(change) = self.0.iter_mut().find(|c| c.path == path) {
            change.after = after;
            return Ok(());
        }
        let before = exact(root, path)?;
        let path = path.to_owned();
        self.0.push(Change { path, before, after });
        Ok(())
    }

    fn done(mut self) -> Vec<Change> {
        self.0.retain(|c| c.before != c.after);
        self.0
    }
}

/// The files of a folder with an ending, as paths.
fn files(root: &Root, folder: &str, ending: &str) -> Result<Vec<String>, BootError> {
    may_look(root, folder)?;
    let ends = |name: &&String| {
        std::path::Path::new(name)
            .extension()
            .is_some_and(|e| e == ending)
    };
    Ok(root
        .list(folder)
        .iter()
        .filter(ends)
        .map(|name| format!("{folder}/{name}"))
        .collect())
}

/// What may not be read is not the same as what is not there.
fn may_look(root: &Root, path: &str) -> Result<(), BootError> {
    let full = root.base().join(path.trim_start_matches('/'));
    let looked = match std::fs::metadata(&full) {
        Ok(facts) if facts.is_dir() => std::fs::read_dir(&full).map(drop),
        Ok(_) => std::fs::File::open(&full).map(drop),
        Err(error) => Err(error),
    };
    match looked {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(BootError::Denied {
            path: path.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The whole text of a file; none where there is none.
pub(crate) fn exact(root: &Root, path: &str) -> Result<Option<String>, BootError> {
    may_look(root, path)?;
    let Some(file) = root.find(path) else {
        return Ok(None);
    };
    let unreadable = || BootError::Unreadable {
        path: path.to_owned(),
    };
    let facts = std::fs::metadata(&file).map_err(|_| unreadable())?;
    if !facts.is_file() || facts.len() > 1 << 20 {
        return Err(unreadable());
    }
    std::fs::read_to_string(&file).map(Some).map_err(|_| unreadable())
}

/// What has to change for a wish. `way` is the user's choice, none ours.
///
/// # Errors
/// A file cannot be read, or it cannot be told which boot loader is used.
pub fn propose(root: &Root, wish: &Wish, way: Option<Way>) -> Result<Proposal, BootError> {
    let line = root.read("/proc/cmdline").unwrap_or_default();
    let on_line = |(name, _): &&(String, String)| value(&line, name).is_some();
    let started = wish.set.iter().find(on_line);
    let loader = match way {
        Some(named) if named != Way::Modprobe => Some(named),
        _ => match loader(root, wish) {
            Ok(found) => Some(found),
            Err(error) if started.is_some() || needs_loader(root, wish) => return Err(error),
            // Without one, modules can still be told.
            Err(_) => None,
        },
    };
    let (probe, mut there) = (Pen::new(wish), Edits::default());
    if let Some(loader) = loader {
        edit(loader, root, &probe, false, &mut there)?;
    }
    let taken = probe.taken();
    let in_files = |name: &str| taken.iter().any(|(known, _)| known == name);
    if let Some((name, _)) = started.filter(|(name, _)| !in_files(name)) {
        let value = value(&line, name).unwrap_or_default();
        let parameter = cmdline::parameter(name, value);
        return Err(BootError::Unfound { parameter });
    }
    let way = match (way, loader) {
        (Some(way), _) => way,
        // The command line wins over modprobe.d: what is there already stays there.
        (None, Some(loader)) if !taken.is_empty() || needs_loader(root, wish) => loader,
        _ => Way::Modprobe,
    };
    let (pen, mut edits) = (Pen::new(wish), Edits::default());
    modprobe::edit(root, &pen, way == Way::Modprobe, &mut edits)?;
    if let Some(loader) = loader {
        edit(loader, root, &pen, way == loader, &mut edits)?;
    }
    let changes = edits.done();
    let refresh = if changes.is_empty() && is_stale(root, wish) {
        refresh::of(root, &[way.place()])
    } else {
        refresh(root, &changes)
    };
    Ok(Proposal {
        way,
        changes,
        refresh,
        was: pen.taken(),
    })
}

/// The places where a wish can be set so that it counts, for the user to choose from: the boot loaders that are
/// configured, and `/etc/modprobe.d` unless the kernel's command line, which wins, has a word on it.
///
/// # Errors
/// A file cannot be read.
pub fn ways(root: &Root, wish: &Wish) -> Result<Vec<Way>, BootError> {
    let mut found = loaders(root);
    let pen = Pen::new(wish);
    let mut there = Edits::default();
    for loader in &found {
        edit(*loader, root, &pen, false, &mut there)?;
    }
    if pen.taken().is_empty() && !needs_loader(root, wish) {
        found.insert(0, Way::Modprobe);
    }
    Ok(found)
}

impl Way {
    /// A file that what is made anew is made of.
    fn place(self) -> &'static str {
        match self {
            Self::Modprobe => modprobe::OURS,
            Self::Grub => "/etc/default/grub",
            Self::SystemdBoot => "/etc/kernel/cmdline",
            Self::Limine => limine::TOOL,
            Self::Refind => refind::FILE,
        }
    }
}

/// Whether what runs is not what is asked for: the files may be right and what was made of them old.
fn is_stale(root: &Root, wish: &Wish) -> bool {
    wish.set.iter().any(|(name, value)| {
        let Some((module, option)) = name.split_once('.') else {
            return false;
        };
        let runs = root.read(&format!("/sys/module/{module}/parameters/{option}"));
        runs.is_some_and(|runs| runs != *value)
    })
}

fn edit(loader: Way, root: &Root, pen: &Pen<'_>, here: bool, edits: &mut Edits) -> Result<(), BootError> {
    match loader {
        Way::Modprobe => modprobe::edit(root, pen, here, edits),
        Way::Grub => grub::edit(root, pen, here, edits),
        Way::SystemdBoot => entries::edit(root, pen, here, edits),
        Way::Limine => limine::edit(root, pen, here, edits),
        Way::Refind => refind::edit(root, pen, here, edits),
    }
}

/// Whether a parameter is not one of a module that is loaded later: then only the kernel's command line reaches it.
fn needs_loader(root: &Root, wish: &Wish) -> bool {
    let kernel = root.read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let builtin = ["/lib/modules", "/usr/lib/modules"]
        .iter()
        .find_map(|folder| root.read(&format!("{folder}/{kernel}/modules.builtin")))
        .unwrap_or_default();
    wish.set.iter().any(|(name, _)| {
        name.split_once('.').is_none_or(|(module, _)| {
            builtin.lines().any(|l| {
                let file = l.rsplit('/').next().unwrap_or_default();
                file.strip_suffix(".ko")
                    .is_some_and(|m| m.replace('-', "_") == module)
            })
        })
    })
}

/// The boot loader that is used: the one that the firmware was told of, else the only one that is configured.
fn loader(root: &Root, wish: &Wish) -> Result<Way, BootError> {
    let found = loaders(root);
    if let Some(booted) = booted(root).filter(|b| found.contains(b)) {
        return Ok(booted);
    }
    match found.as_slice() {
        [only] => Ok(*only),
        [] => {
            let words = wish
                .set
                .iter()
                .map(|(name, value)| cmdline::parameter(name, value));
            Err(BootError::NoLoader {
                parameters: words.collect::<Vec<_>>().join(" "),
            })
        }
        many => {
            let names: Vec<_> = many
                .iter()
                .filter_map(clap::ValueEnum::to_possible_value)
                .collect();
            let names: Vec<&str> = names.iter().map(clap::builder::PossibleValue::get_name).collect();
            Err(BootError::Several {
                found: names.join(", "),
            })
        }
    }
}

/// The boot loaders whose configuration is there.
fn loaders(root: &Root) -> Vec<Way> {
    let grub = root.has("/etc/default/grub");
    let all = [
        (Way::Grub, grub),
        // Fedora's GRUB reads such entries too.
        (Way::SystemdBoot, entries::are_there(root) && !grub),
        (Way::Limine, limine::is_there(root)),
        (Way::Refind, root.has(refind::FILE)),
    ];
    all.into_iter()
        .filter(|(_, there)| *there)
        .map(|(way, _)| way)
        .collect()
}

/// What the boot loader told the firmware that it is (systemd's Boot Loader Interface, `LoaderInfo`).
fn booted(root: &Root) -> Option<Way> {
    let variable = "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
    let bytes = std::fs::read(root.find(variable)?).ok()?;
    let units: Vec<u16> = bytes
        .get(4..)?
        .chunks_exact(2)
        .filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)))
        .collect();
    let name = String::from_utf16_lossy(&units).to_lowercase();
    let known = [
        ("grub", Way::Grub),
        ("systemd-boot", Way::SystemdBoot),
        ("limine", Way::Limine),
        ("refind", Way::Refind),
    ];
    known
        .into_iter()
        .find(|(word, _)| name.starts_with(word))
        .map(|(_, way)| way)
}

/// A change as a unified diff with three lines around it.
pub fn diff(change: &Change) -> String {
    let (old, new) = (
        change.before.as_deref().unwrap_or_default(),
        change.after.as_deref().unwrap_or_default(),
    );
    let name = |side: &Option<String>| {
        if side.is_some() {
            change.path.clone()
        } else {
            "/dev/null".into()
        }
    };
    similar::TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(3)
        .header(&name(&change.before), &name(&change.after))
        .to_string()
}
