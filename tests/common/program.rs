//! The program itself, with a home of its own and stages under names that no other test uses.

use std::{
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

use super::daemon::unique;

/// A home with one or two small labs.
pub struct Home {
    /// Everything that the program writes.
    pub folder: TempDir,
    /// The socket of the private daemon.
    pub socket: String,
    /// The labs: copies of the stages in `tests/fixtures/labs`.
    pub labs: Vec<String>,
}

/// What the program said.
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// Its data.
    pub out: String,
    /// Its messages.
    pub err: String,
}

impl Home {
    /// A home with this many labs; none where the environment says to skip what needs a daemon.
    pub fn new(labs: usize) -> Option<Self> {
        let socket = std::env::var("HALOLAB_TEST_LXD").unwrap_or_default();
        assert!(
            !socket.is_empty(),
            "HALOLAB_TEST_LXD names no daemon: run `tests/run.sh`"
        );
        if socket == "skip" {
            return None;
        }
        Some(Self::on(labs, Path::new(&socket)))
    }

    /// A home with this many labs on the daemon behind a socket.
    pub fn on(labs: usize, socket: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/labs/mini-lab/stage.toml");
        let text = std::fs::read_to_string(fixture).unwrap();
        let labs: Vec<String> = (0..labs).map(|_| unique("job")).collect();
        for lab in &labs {
            let stage = folder.path().join("config/stages").join(lab);
            std::fs::create_dir_all(&stage).unwrap();
            std::fs::write(
                stage.join("stage.toml"),
                text.replace("\"mini-lab\"", &format!("\"{lab}\"")),
            )
            .unwrap();
        }
        let socket = socket.display().to_string();
        let home = Self { folder, socket, labs };
        home.trust();
        home
    }

    /// Looks at the stages of the labs and trusts them as they are now, by the commands that a person types.
    pub fn trust(&self) {
        for lab in &self.labs {
            let shown = self.ends(3, &["stage", "trust", lab, "--json"]).out;
            let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
            let sha256 = shown["sha256"].as_str().unwrap();
            self.ends(0, &["stage", "trust", lab, "--trust", sha256]);
        }
    }

    /// The first lab.
    pub fn lab(&self) -> &str {
        &self.labs[0]
    }

    /// The program with these arguments, its environment set.
    pub fn command(&self, arguments: &[&str]) -> Command {
        // Another build of it can be tried with the same tests.
        let program = std::env::var_os("HALOLAB_TEST_PROGRAM");
        let mut command = Command::new(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_halolab").into()));
        command
            .args(arguments)
            .env("HALOLAB_HOME", self.folder.path())
            .env("HALOLAB_DATA", self.folder.path().join("data"))
            .env("LXD_SOCKET", &self.socket)
            .stdin(std::process::Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(arguments).output().unwrap();
        Said {
            code: status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&stdout).into_owned(),
            err: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    /// Runs it and expects an exit code.
    pub fn ends(&self, code: i32, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(
            said.code, code,
            "halolab {arguments:?}\n{}\n{}",
            said.out, said.err
        );
        said
    }

    /// What a shell command inside a lab prints.
    pub fn inside(&self, lab: &str, script: &str) -> String {
        self.ends(0, &["shell", lab, "--", "sh", "-c", script])
            .out
            .trim()
            .to_owned()
    }

    /// `status LAB --json`.
    pub fn status(&self, lab: &str) -> serde_json::Value {
        let said = self.ends(0, &["status", lab, "--json"]);
        let all: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        all["labs"][0].clone()
    }

    /// Names of a lab's snapshots, newest first.
    pub fn snapshots(&self, lab: &str) -> Vec<String> {
        let rows = self.status(lab)["snapshots"].clone();
        rows.as_array()
            .unwrap()
            .iter()
            .map(|s| s["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let lxc = |arguments: &[&str]| {
            let folder = Path::new(&self.socket).parent().unwrap();
            Command::new("lxc")
                .args(arguments)
                .env("LXD_DIR", folder)
                .env_remove("LXD_SOCKET")
                .output()
        };
        let Ok(list) = lxc(&["list", "-f", "csv", "-c", "n"]) else {
            return;
        };
        for name in String::from_utf8_lossy(&list.stdout)
            .lines()
            .filter(|n| self.labs.iter().any(|l| n.starts_with(l.as_str())))
        {
            let _ = lxc(&["delete", "-f", name]);
        }
        let Ok(profiles) = lxc(&["profile", "list", "-f", "csv"]) else {
            return;
        };
        for name in String::from_utf8_lossy(&profiles.stdout)
            .lines()
            .filter_map(|l| l.split(',').next())
            .filter(|n| {
                n.strip_prefix("halolab-")
                    .is_some_and(|n| self.labs.iter().any(|l| n.starts_with(l.as_str())))
            })
        {
            let _ = lxc(&["profile", "delete", name]);
        }
    }
}
