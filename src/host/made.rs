//! What halolab made on this machine besides its boot configuration: packages, groups, files, firewall rules, and the
//! engine's pool, bridge and images. A script of the host's stage writes a line for each thing right before it makes
//! it, and only if it was not there: what was there before is never ours to take back.
//!
//! One line a thing, `KIND REST`, in `made/ID` of the state folder; `HALOLAB_RECEIPT` names that file to the script. A
//! line of a kind that a newer halolab wrote stays where it is. What halolab itself makes on an engine is
//! `of ENGINE KIND REST`: an older halolab leaves such a line alone, and so cannot take it for another engine's.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::command::quote;
use crate::paths::{FileError, private_folder, write_private};

/// The variable that names the file to a script.
pub const VARIABLE: &str = "HALOLAB_RECEIPT";

/// The kind of an image in Docker. Labs of other engines do not need it, and Docker's may be made of it again: it stays
/// unless it is named.
pub const DOCKER_IMAGE: &str = "docker-image";

/// Begins a line that names its engine.
const OF: &str = "of";

/// One thing that was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Made {
    /// What it is: `package`, `group`, `file`, ...
    pub kind: String,
    /// Which one.
    pub rest: String,
    /// The engine that it was made on, as [`engine_name`] writes it; none where that was not written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

/// An engine as a line names it: what it is and where it listens, as one word.
pub fn engine_name(product: &str, address: &str) -> String {
    // One socket may be reached by several paths.
    let real = address
        .starts_with('/')
        .then(|| Path::new(address).canonicalize().ok());
    let place = real
        .flatten()
        .map_or_else(|| address.to_owned(), |real| real.display().to_string());
    let word = |c: char| {
        if c.is_whitespace() || c == '%' {
            format!("%{:02X}", u32::from(c))
        } else {
            c.to_string()
        }
    };
    format!("{product}@{place}").chars().map(word).collect()
}

impl Made {
    fn parse(line: &str) -> Option<Self> {
        let (mut kind, mut rest) = line.trim().split_once(' ')?;
        let mut engine = None;
        if kind == OF {
            let (named, thing) = rest.split_once(' ')?;
            (kind, rest) = thing.split_once(' ')?;
            engine = Some(named.to_owned());
        }
        (!rest.is_empty()).then(|| Self {
            kind: kind.to_owned(),
            rest: rest.to_owned(),
            engine,
        })
    }

    fn line(&self) -> String {
        match &self.engine {
            Some(engine) => format!("{OF} {engine} {} {}\n", self.kind, self.rest),
            None => format!("{} {}\n", self.kind, self.rest),
        }
    }

    /// The product whose program it is or brings, `lxd` or `incus`; none for what any engine needs.
    pub fn product(&self) -> Option<&'static str> {
        let name = self.words().last().copied().unwrap_or_default();
        match self.kind.as_str() {
            "package" | "process" | "enabled" if name.starts_with("incus") => Some("incus"),
            // Without snapd there is no LXD from a snap.
            "package" | "process" | "enabled" if name.starts_with("lxd") || name.starts_with("snapd") => {
                Some("lxd")
            }
            "file" if self.rest == "/snap" => Some("lxd"),
            _ => None,
        }
    }

    /// Its parts: `apt lxd` of a package.
    pub fn words(&self) -> Vec<&str> {
        self.rest.split(' ').collect()
    }
}

/// The files with what was made.
#[derive(Clone, Debug)]
pub struct Ledger {
    folder: PathBuf,
}

impl Ledger {
    /// The one of this state folder.
    pub fn new(state: &Path) -> Self {
        Self {
            folder: state.join("made"),
        }
    }

    /// A file for a script to write to, there before it begins.
    ///
    /// # Errors
    /// The state folder cannot be written.
    pub fn open(&self, run: &str, action: &str) -> Result<PathBuf, FileError> {
        private_folder(&self.folder)?;
        let name: String = format!("{run}-{action}").replace('/', "-");
        let path = self.folder.join(name);
        if !path.exists() {
            write_private(&path, b"")?;
        }
        Ok(path)
    }

    /// Adds a thing that is about to be made by halolab itself.
    ///
    /// # Errors
    /// The state folder cannot be written.
    pub fn add(&self, run: &str, action: &str, made: &Made) -> Result<(), FileError> {
        let path = self.open(run, action)?;
        let mut text = fs::read_to_string(&path).unwrap_or_default();
        text.push_str(&made.line());
        write_private(&path, text.as_bytes())
    }

    /// All that was made and not taken back, the newest first, each once.
    ///
    /// # Errors
    /// A file cannot be read: then nobody knows, and nothing may be guessed.
    pub fn read(&self) -> io::Result<Vec<Made>> {
        let mut seen = BTreeSet::new();
        let mut all = vec![];
        for path in self.files()?.iter().rev() {
            let text = fs::read_to_string(path)?;
            let made: Vec<Made> = text.lines().filter_map(Made::parse).collect();
            all.extend(made.into_iter().rev().filter(|made| seen.insert(made.clone())));
        }
        Ok(all)
    }

    /// Forgets what was taken back.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn forget(&self, gone: &[Made]) -> io::Result<()> {
        for path in self.files()? {
            let text = fs::read_to_string(&path)?;
            let stays = |line: &&str| Made::parse(line).is_none_or(|made| !gone.contains(&made));
            let kept: String = text.lines().filter(stays).flat_map(|line| [line, "\n"]).collect();
            if kept != text {
                write_private(&path, kept.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Oldest first: their names begin with the date.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            entries => entries?,
        };
        let mut paths = entries
            .map(|entry| entry.map(|e| e.path()))
            .collect::<io::Result<Vec<_>>>()?;
        paths.retain(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            !name.starts_with('.')
        });
        paths.sort();
        Ok(paths)
    }
}

/// The script that takes things of one kind back; none for a kind that is not known here.
pub fn revert(kind: &str, made: &[&Made]) -> Option<String> {
    let each = |line: fn(&[&str]) -> Option<String>| Some(lines_of(made, line));
    match kind {
        "package" => Some(packages(made)),
        "group" => each(|words| match words {
            [user, group] => Some(format!(
                "! id -nG {0} 2>/dev/null | tr ' ' '\\n' | grep -qx {1} || gpasswd -d {0} {1}",
                quote(user),
                quote(group)
            )),
            _ => None,
        }),
        "file" => {
            let paths = made.iter().map(|m| format!("rm -f -- {}", quote(&m.rest)));
            Some(paths.collect::<Vec<_>>().join("\n"))
        }
        "unit" => each(|words| match words {
            [unit] => Some(format!(
                "! command -v systemctl >/dev/null || systemctl disable --now {0} || true\n\
                 rm -f -- /etc/systemd/system/{0}\n! command -v systemctl >/dev/null || systemctl daemon-reload || true",
                quote(unit)
            )),
            _ => None,
        }),
        "enabled" => each(|words| match words {
            [unit] => Some(format!("systemctl disable --now {} || true", quote(unit))),
            _ => None,
        }),
        "line" => each(|words| {
            let (file, text) = words.split_first()?;
            let text = text.join(" ");
            Some(format!(
                "if grep -qxF {text} {file}; then kept=$(grep -vxF {text} {file} || true); printf '%s\\n' \"$kept\" >{file}; fi",
                text = quote(&text),
                file = quote(file)
            ))
        }),
        "process" => each(|words| match words {
            ["lxd"] => {
                Some("! command -v lxd >/dev/null || timeout 60 lxd shutdown --timeout 30 || true".into())
            }
            ["incusd"] => Some(
                "! command -v incus >/dev/null || timeout 60 incus admin shutdown --timeout 30 || true"
                    .into(),
            ),
            _ => None,
        }),
        _ => firewall(kind, made),
    }
}

/// The lines that take back things of one kind.
fn lines_of(made: &[&Made], line: fn(&[&str]) -> Option<String>) -> String {
    let lines: Vec<String> = made.iter().filter_map(|m| line(&m.words())).collect();
    lines.join("\n")
}

fn firewall(kind: &str, made: &[&Made]) -> Option<String> {
    let each = |line: fn(&[&str]) -> Option<String>| Some(lines_of(made, line));
    match kind {
        "rule" => each(|words| {
            let rule: Vec<String> = words.iter().map(|word| quote(word)).collect();
            let rule = rule.join(" ");
            Some(format!("iptables -w -D {rule} 2>/dev/null || true"))
        }),
        "firewalld" => each(|words| match words {
            [bridge] => Some(format!(
                "firewall-cmd -q --zone=trusted --remove-interface={0} || true\n\
                 firewall-cmd -q --permanent --zone=trusted --remove-interface={0} || true",
                quote(bridge)
            )),
            _ => None,
        }),
        "ufw" => each(|words| match words {
            [bridge] => Some(format!(
                "ufw delete allow in on {0} || true\nufw route delete allow in on {0} || true\n\
                 ufw route delete allow out on {0} || true",
                quote(bridge)
            )),
            _ => None,
        }),
        _ => None,
    }
}

/// Packages go only where nothing else needs them by now.
fn packages(made: &[&Made]) -> String {
    let of = |manager: &str| {
        let names = made.iter().filter_map(|m| match m.words().as_slice() {
            [found, name] if *found == manager => Some(quote(name)),
            _ => None,
        });
        names.collect::<Vec<_>>().join(" ")
    };
    let mut lines = vec![];
    // Before what it comes by. A snapd that does not answer says nothing about what is installed.
    let snap = of("snap");
    if !snap.is_empty() {
        lines.push(format!(
            "! command -v snap >/dev/null || snap list >/dev/null\n\
             for name in {snap}; do ! snap list \"$name\" >/dev/null 2>&1 || snap remove \"$name\"; done"
        ));
    }
    let apt = of("apt");
    if !apt.is_empty() {
        lines.push(format!(
            "export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8\nwanted={}\n\
             sim=$(apt-get -s remove $wanted) || {{\n  \
             echo \"apt-get does not say what goes with: $wanted; none of them is removed\" >&2\n  exit 1\n}}\n\
             gone=$(printf '%s\\n' \"$sim\" | awk '/^Remv/ {{ print $2 }}')\n\
             for name in $gone; do\n  case \" $wanted \" in *\" $name \"*) ;; *)\n    \
             echo \"$name was installed by somebody else and needs one of: $wanted; none of them is removed\" >&2\n    \
             exit 1 ;;\n  esac\ndone\n\
             [ -z \"$gone\" ] || apt-get -q -o DPkg::Lock::Timeout=300 remove -y $gone",
            quote(&apt)
        ));
    }
    let pacman = of("pacman");
    if !pacman.is_empty() {
        lines.push(format!(
            "command -v pacman >/dev/null\ngone=$(pacman -Qq {pacman} 2>/dev/null || true)\n[ -z \"$gone\" ] || pacman -R --noconfirm $gone"
        ));
    }
    let rpm = of("rpm");
    if !rpm.is_empty() {
        lines.push(format!(
            "command -v rpm >/dev/null\ngone=; for name in {rpm}; do ! rpm -q \"$name\" >/dev/null 2>&1 || gone=\"$gone $name\"; done\n\
             [ -z \"$gone\" ] || rpm -e $gone"
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(kind: &str, rest: &str) -> Made {
        Made {
            kind: kind.into(),
            rest: rest.into(),
            engine: None,
        }
    }

    #[test]
    fn a_line_names_its_engine_where_that_is_known() {
        let state = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(state.path());
        let pool = Made {
            engine: Some(engine_name("lxd", "/no where/unix.socket")),
            ..made("pool", "default")
        };
        ledger.add("20261122-1", "host/pool", &pool).unwrap();
        ledger
            .add("20261122-1", "host/pool", &made("pool", "default"))
            .unwrap();
        assert_eq!(ledger.read().unwrap(), [made("pool", "default"), pool.clone()]);
        assert_eq!(pool.engine.as_deref(), Some("lxd@/no%20where/unix.socket"));
        ledger.forget(&[made("pool", "default")]).unwrap();
        assert_eq!(ledger.read().unwrap(), [pool]);
        let product = |kind, rest| made(kind, rest).product();
        assert_eq!(product("package", "snap lxd"), Some("lxd"));
        assert_eq!(product("package", "apt incus-base"), Some("incus"));
        assert_eq!(product("enabled", "lxcfs.service"), None);
    }

    #[test]
    fn packages_are_not_forgotten_where_apt_says_nothing() {
        let script = revert("package", &[&made("package", "apt lxd")]).unwrap();
        assert!(
            script.contains("sim=$(apt-get -s remove $wanted) || {"),
            "{script}"
        );
        assert!(
            script.contains("exit 1\n}\ngone=$(printf '%s\\n' \"$sim\" | awk"),
            "{script}"
        );
    }

    #[test]
    fn what_was_made_is_kept_until_it_is_taken_back() {
        let state = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(state.path());
        assert!(ledger.read().unwrap().is_empty());
        ledger
            .add("20261122-1", "host/pool", &made("pool", "default"))
            .unwrap();
        let file = ledger.open("20261122-2", "host/packages").unwrap();
        fs::write(&file, "package apt lxd\nnewer-kind some thing\nbroken\n").unwrap();
        // A resumed run says the same once more.
        ledger
            .add("20261122-3", "host/pool", &made("pool", "default"))
            .unwrap();
        let all = ledger.read().unwrap();
        assert_eq!(all.len(), 3, "{all:?}");
        assert_eq!(all[0], made("pool", "default"));
        ledger
            .forget(&[made("package", "apt lxd"), made("pool", "default")])
            .unwrap();
        assert_eq!(ledger.read().unwrap(), [made("newer-kind", "some thing")]);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("broken"), "what cannot be read stays");
        assert_eq!(revert("newer-kind", &[]), None);
    }

    #[test]
    fn names_cannot_become_commands() {
        let bad = made("package", "apt x;reboot");
        assert!(revert("package", &[&bad]).unwrap().contains("'x;reboot'"));
        let bad = made("file", "/etc/a; rm -rf /");
        assert_eq!(revert("file", &[&bad]).unwrap(), "rm -f -- '/etc/a; rm -rf /'");
    }
}
