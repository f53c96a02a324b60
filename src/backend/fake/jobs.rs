//! Jobs in the daemon in memory: what `assets/job/ask.sh` answers. A job ends the moment that it is started.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    Fake, lock,
    world::{Machine, World, refused},
};
use crate::backend::{ExecSpec, Result, Status};

/// Where the jobs of an instance are, and the name under which questions about them are asked.
const FOLDER: &str = "/var/lib/halolab/jobs";
const ASKED_AS: &str = "halolab-job";

/// What a question brought.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) code: i32,
    /// Bytes of a log.
    pub(super) out: Vec<u8>,
    /// Lines about a job.
    pub(super) told: Vec<u8>,
}

/// The words of a question about jobs; none where a command is something else.
pub(super) fn words(spec: &ExecSpec) -> Option<Vec<String>> {
    let words = spec.argv.get(4..)?;
    (spec.argv.get(3)? == ASKED_AS).then(|| words.to_vec())
}

impl Fake {
    /// Gives an instance a state that nobody asked for, as somebody else would; one that is not there has none.
    pub fn set_status(&self, name: &str, status: Status) {
        if let Some(machine) = lock(&self.world).machines.get_mut(name) {
            machine.instance.status = status;
        }
    }
}

impl World {
    pub(super) fn job(&mut self, name: &str, words: &[String]) -> Result<Said> {
        let machine = self.machine_mut(name)?;
        if machine.instance.status != Status::Running {
            return Err(refused(
                &format!("run a command in `{name}`"),
                "Instance is not running",
            ));
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let number = |text: &str| text.parse::<usize>().unwrap_or_default();
        let mut said = Said::default();
        let file = |id: &str, name: &str| format!("{FOLDER}/{id}/{name}");
        match words.as_slice() {
            ["start", id, attempt, kind, ..] => {
                let bytes = |name: &str| machine.files.get(&file(id, name)).cloned();
                let text = bytes("script").or_else(|| bytes("spec")).unwrap_or_default();
                let (code, output) = machine.run(&String::from_utf8_lossy(&text));
                machine.files.remove(&file(id, "spec"));
                let log = machine.files.entry(file(id, "log.raw")).or_default();
                let start = log.len();
                log.extend(output.into_bytes());
                let state = if code == 0 { "succeeded" } else { "failed" };
                let status = json!({
                    "schema": "halolab.job/1", "job": id, "kind": kind, "container": name, "state": state,
                    "attempt": number(attempt), "exit": { "code": code }, "log": { "start": start, "bytes": log.len() },
                });
                machine
                    .files
                    .insert(file(id, "status.json"), status.to_string().into_bytes());
            }
            ["follow" | "sum" | "read", ..] => said = machine.told(&words),
            ["clear", id] => drop(machine.files.remove(&file(id, "spec"))),
            ["forget", id, _] => machine.files.retain(|path, _| !path.starts_with(&file(id, ""))),
            _ => {}
        }
        Ok(said)
    }
}

impl Machine {
    /// What is only looked at.
    fn told(&self, words: &[&str]) -> Said {
        let number = |text: &str| text.parse::<usize>().unwrap_or_default();
        let file = |id: &str, name: &str| self.files.get(&format!("{FOLDER}/{id}/{name}"));
        let log = |id: &str| file(id, "log.raw").map(Vec::as_slice).unwrap_or_default();
        let mut said = Said::default();
        match words {
            ["follow", id, from, _, seconds, _] => {
                if file(id, "spec").is_some() {
                    said.told.extend(b"c\n");
                }
                match file(id, "status.json") {
                    None if said.told.is_empty() => said.told.extend(b"n\n"),
                    None => {}
                    Some(status) => {
                        said.told.extend([b"s ", status.as_slice(), b"\n"].concat());
                        if *seconds != "0" {
                            said.told.extend(format!("e {}\n", log(id).len()).into_bytes());
                            said.out = log(id).get(number(from)..).unwrap_or_default().to_vec();
                        }
                    }
                }
            }
            ["sum", id, count] => {
                let whole = log(id);
                let sum = Sha256::digest(whole.get(..number(count)).unwrap_or(whole));
                said.told = format!("w\nh {count} {}\n", hex::encode(sum)).into_bytes();
            }
            ["read", id, from, count] => {
                let rest = log(id).get(number(from)..).unwrap_or_default();
                said.out = rest.iter().take(number(count)).copied().collect();
            }
            _ => {}
        }
        said
    }
}
