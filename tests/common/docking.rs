//! The program with labs of Docker, on the private daemon of `tests/run.sh`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{daemon::unique, program::Said};

/// The program with a home of its own, and stages of Docker under names that no other test uses.
pub struct Home {
    pub folder: TempDir,
    pub docker: String,
    /// LXD's socket; one where nobody is for most tests.
    pub lxd: PathBuf,
    pub labs: Vec<String>,
}

impl Home {
    /// A home with copies of these stages; none where the environment says to skip what needs Docker.
    pub fn new(stages: &[&str]) -> Option<Self> {
        let docker = std::env::var("HALOLAB_TEST_DOCKER").unwrap_or_default();
        assert!(
            !docker.is_empty(),
            "HALOLAB_TEST_DOCKER names no daemon: run `tests/run.sh`, or set HALOLAB_TEST_DOCKER=skip"
        );
        if docker == "skip" {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let mut labs = vec![];
        for stage in stages {
            let name = unique("dock");
            let from = root.join(stage);
            let to = folder.path().join("config/stages").join(&name);
            copy(&from, &to);
            if *stage == "docker-labs/spack-lab" {
                copy(
                    &Path::new(env!("CARGO_MANIFEST_DIR")).join("stages/zephyr/entrypoints"),
                    &to.join("entrypoints"),
                );
            }
            let file = to.join("stage.toml");
            let text = std::fs::read_to_string(&file).unwrap();
            let id = from.file_name().unwrap().to_str().unwrap();
            std::fs::write(&file, text.replace(&format!("\"{id}\""), &format!("\"{name}\""))).unwrap();
            labs.push(name);
        }
        let home = Self {
            lxd: folder.path().join("nobody.socket"),
            docker,
            folder,
            labs,
        };
        for lab in &home.labs {
            home.trust(lab);
        }
        Some(home)
    }

    pub fn trust(&self, lab: &str) {
        let shown = self.run(&["stage", "trust", lab, "--json"]).out;
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        self.ends(
            0,
            &[
                "stage",
                "trust",
                lab,
                "--trust",
                shown["sha256"].as_str().unwrap(),
            ],
        );
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halolab"));
        command
            .args(arguments)
            .env("HALOLAB_HOME", self.folder.path())
            .env("HALOLAB_DATA", self.folder.path().join("data"))
            .env("DOCKER_HOST", format!("unix://{}", self.docker))
            .env_remove("LXD_DIR")
            .env_remove("INCUS_DIR")
            .env_remove("INCUS_SOCKET")
            .env("LXD_SOCKET", &self.lxd)
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        let ended = self.command(arguments).output().unwrap();
        Said {
            code: ended.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&ended.stdout).into_owned(),
            err: String::from_utf8_lossy(&ended.stderr).into_owned(),
        }
    }

    pub fn ends(&self, code: i32, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(
            said.code, code,
            "halolab {arguments:?}\n{}\n{}",
            said.out, said.err
        );
        said
    }

    pub fn inside(&self, lab: &str, script: &str) -> String {
        let said = self.ends(0, &["shell", lab, "--", "sh", "-c", script]);
        said.out.trim().to_owned()
    }

    pub fn status(&self, lab: &str) -> serde_json::Value {
        let said = self.ends(0, &["status", lab, "--json"]);
        serde_json::from_str::<serde_json::Value>(&said.out).unwrap()["labs"][0].clone()
    }

    pub fn names(&self, lab: &str, key: &str) -> Vec<String> {
        let status = self.status(lab);
        let rows = status[key].as_array().unwrap();
        let name = |row: &serde_json::Value| row["name"].as_str().unwrap().to_owned();
        rows.iter().map(name).collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for lab in &self.labs {
            for name in [
                lab.clone(),
                format!("{lab}-next"),
                format!("{lab}-prev"),
                format!("{lab}-prev-2"),
            ] {
                let _ = self.run(&["remove", &name, "--yes"]);
            }
        }
    }
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}
