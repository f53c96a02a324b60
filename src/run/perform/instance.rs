//! Steps on instances: make, copy, start, stop, wait, run scripts, delete.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{
    backend::{Backend, ConfigEdit, Error, ExecSpec, Instance, InstanceSpec, Power, Status},
    labs::{marks, notes_profile, tag},
    stage::Answer,
};

use super::{DID, Ended, Failure, Hand, SKIPPED};

/// Scripts longer than this do not fit into one argument of a program (Linux: 128 KiB, with its end).
const SCRIPT_LIMIT: usize = 128 * 1024 - 1;

impl Hand<'_> {
    pub(super) async fn create(&mut self, spec: &InstanceSpec) -> Ended {
        let backend = self.backend().await?;
        self.clear_leftover(backend, &spec.name).await?;
        let mut spec = spec.clone();
        spec.config.insert(tag("run"), self.worker.run.to_owned());
        backend.create(&spec, &self.progress).await?;
        DID
    }

    pub(super) async fn copy(&mut self, from: &str, snapshot: Option<&str>, spec: &InstanceSpec) -> Ended {
        let backend = self.backend().await?;
        if self.again
            && backend
                .instance(&spec.name)
                .await?
                .is_some_and(|i| self.whole(&i))
        {
            return SKIPPED;
        }
        self.clear_leftover(backend, &spec.name).await?;
        let mut marked = spec.clone();
        marked.config.insert(tag("run"), self.worker.run.to_owned());
        marked.config.insert(tag("state"), "building".into());
        backend.copy(from, snapshot, &marked, &self.progress).await?;
        if snapshot.is_none() {
            marks::copy(backend, from, &spec.name).await.or_else(unmarked)?;
        }
        // A copy counts only from here on: the daemon lists it before it is whole.
        let removed = spec
            .config
            .iter()
            .filter(|(_, v)| v.is_empty())
            .map(|(k, _)| (k.clone(), None));
        let config = removed.chain([(tag("state"), None)]).collect();
        backend
            .edit(
                &spec.name,
                &ConfigEdit {
                    config,
                    ..ConfigEdit::default()
                },
            )
            .await?;
        DID
    }

    /// Whether this run made an instance and saw its operation end well.
    fn whole(&self, instance: &Instance) -> bool {
        instance.tag("run") == Some(self.worker.run) && instance.tag("state") != Some("building")
    }

    /// Throws away what an earlier attempt of ours left half made under a name; anything else there stops us.
    async fn clear_leftover(&mut self, backend: &dyn Backend, name: &str) -> Result<(), Failure> {
        let Some(found) = backend.instance(name).await? else {
            return Ok(());
        };
        if found.tag("state") != Some("building") {
            return Err(Error::Exists {
                what: format!("instance `{name}`"),
            }
            .into());
        }
        self.output.line(&format!(
            "    throwing away the unfinished {name} of an earlier attempt"
        ));
        stop_and_delete(backend, &found).await?;
        Ok(())
    }

    pub(super) async fn power(&mut self, name: &str, power: Power) -> Ended {
        let backend = self.backend().await?;
        let found = existing(backend, name).await?;
        match (found.status, power) {
            (Status::Running, Power::Start) | (Status::Stopped, Power::Stop { .. }) => return SKIPPED,
            (Status::Running, Power::Stop { seconds }) if seconds > 0 => {
                if backend.power(name, power).await.is_err() {
                    self.output
                        .line(&format!("    {name} did not stop within {seconds} s; ending it"));
                    backend.power(name, Power::Stop { seconds: 0 }).await?;
                }
            }
            _ => backend.power(name, power).await?,
        }
        DID
    }

    pub(super) async fn wait_network(&mut self, name: &str, seconds: u32) -> Ended {
        let backend = self.backend().await?;
        let until = Instant::now() + Duration::from_secs(u64::from(seconds));
        loop {
            let state = backend.state(name).await?;
            if let Some(address) = state.addresses.first() {
                self.progress.say(address.clone(), None);
                return DID;
            }
            if Instant::now() > until {
                return Err(Failure::Failed(format!(
                    "{name} got no address within {seconds} s; is the bridge cut off? `halolab doctor` looks at the firewall"
                )));
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(250)) => {}
                () = self.progress.cancel.cancelled() => return Err(Failure::Cancelled),
            }
        }
    }

    pub(super) async fn exec(
        &mut self,
        name: &str,
        script: &str,
        env: &BTreeMap<String, String>,
        secrets: &[String],
    ) -> Ended {
        let mut env = env.clone();
        let held = self.hand_over(name, secrets, &mut env).await?;
        let code = self.run_script(name, script, env).await;
        if !held.is_empty() {
            let argv = ["rm", "-f", "--"]
                .into_iter()
                .map(str::to_owned)
                .chain(held)
                .collect();
            let spec = ExecSpec {
                argv,
                ..ExecSpec::default()
            };
            self.backend()
                .await?
                .exec(name, &spec, &mut |_, _| {}, &self.progress)
                .await?;
        }
        match code? {
            0 => DID,
            code => Err(Failure::Failed(format!(
                "the script ended with {code}: {}",
                self.output.last_line()
            ))),
        }
    }

    pub(super) async fn verify(&mut self, name: &str, script: &str, env: &BTreeMap<String, String>) -> Ended {
        let code = self.run_script(name, script, env.clone()).await?;
        let said = self.output.last_line();
        let verdict = if code == 0 {
            said.clone()
        } else {
            format!("FAILED: {said}")
        };
        let config = [(tag("verdict"), Some(verdict.clone()))].into();
        self.backend()
            .await?
            .edit(
                name,
                &ConfigEdit {
                    config,
                    ..ConfigEdit::default()
                },
            )
            .await?;
        self.worker.tell(super::Event::Verdict {
            lab: self.lab.to_owned(),
            verdict,
        });
        if code == 0 {
            DID
        } else {
            Err(Failure::Failed(format!("the proof failed with {code}: {said}")))
        }
    }

    async fn run_script(
        &mut self,
        name: &str,
        script: &str,
        env: BTreeMap<String, String>,
    ) -> Result<i32, Failure> {
        if script.len() > SCRIPT_LIMIT {
            return Err(Failure::Failed(format!(
                "the script has {} bytes and at most {SCRIPT_LIMIT} can be run; split the step in two",
                script.len()
            )));
        }
        let argv = ["/bin/sh", "-eu", "-c", script].map(str::to_owned).to_vec();
        let spec = ExecSpec {
            argv,
            env,
            cwd: "/root".into(),
            ..ExecSpec::default()
        };
        let backend = self.backend().await?;
        let output = &mut *self.output;
        Ok(backend
            .exec(name, &spec, &mut |_, bytes| output.write(bytes), &self.progress)
            .await?)
    }

    /// Writes secrets into files that only root inside can read; returns them, to be removed after.
    async fn hand_over(
        &mut self,
        name: &str,
        secrets: &[String],
        env: &mut BTreeMap<String, String>,
    ) -> Result<Vec<String>, Failure> {
        let given = self.worker.cx.secrets.get(self.lab);
        let backend = self.backend().await?;
        let mut files = vec![];
        for id in secrets {
            let Some(Answer::Text(value)) = given.and_then(|g| g.get(id)) else {
                continue;
            };
            let path = format!("/root/.halolab-secret-{id}");
            backend.push(name, &path, value.as_bytes(), 0o600, (0, 0)).await?;
            env.insert(format!("SECRET_{}", id.to_uppercase()), path.clone());
            files.push(path);
        }
        Ok(files)
    }

    pub(super) async fn delete(&mut self, name: &str, uuid: &str, only_if: Option<&str>) -> Ended {
        let backend = self.backend().await?;
        let Some(found) = backend.instance(name).await? else {
            return SKIPPED;
        };
        if !uuid.is_empty() && found.uuid != uuid {
            return Err(Failure::Failed(format!(
                "{name} is not the instance that you were shown: someone else replaced it; nothing was deleted, \
                 look at `halolab status`"
            )));
        }
        if let Some(copy) = only_if {
            self.must_hold(backend, copy, name).await?;
        }
        stop_and_delete(backend, &found).await?;
        if let Some(profile) = notes_profile(&found) {
            marks::forget_all(backend, profile, name).await?;
        }
        DID
    }

    /// Makes sure that `copy` is whole and has every snapshot of `name`.
    async fn must_hold(&self, backend: &dyn Backend, copy: &str, name: &str) -> Result<(), Failure> {
        let whole = backend
            .instance(copy)
            .await?
            .is_some_and(|i| i.tag("state") != Some("building"));
        let mine = backend.snapshots(name).await?;
        let held = if whole {
            backend.snapshots(copy).await?
        } else {
            vec![]
        };
        let lacks = mine.iter().find(|s| !held.iter().any(|h| h.name == s.name));
        if whole && lacks.is_none() {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "{copy} does not hold everything of {name}; {name} was not deleted"
        )))
    }
}

pub(super) async fn existing(backend: &dyn Backend, name: &str) -> Result<Instance, Failure> {
    let found = backend.instance(name).await?;
    Ok(found.ok_or_else(|| Error::Missing {
        what: format!("instance `{name}`"),
    })?)
}

/// An instance without a profile of ours has no marks to copy.
fn unmarked(error: Error) -> Result<(), Error> {
    match error {
        Error::Missing { .. } => Ok(()),
        other => Err(other),
    }
}

async fn stop_and_delete(backend: &dyn Backend, instance: &Instance) -> Result<(), Error> {
    if instance.status != Status::Stopped {
        backend.power(&instance.name, Power::Stop { seconds: 0 }).await?;
    }
    let deleted = backend.delete(&instance.name).await;
    // Daemons answer errors for deletions that happened, and the other way round: look.
    match (deleted, backend.instance(&instance.name).await?) {
        (_, None) => Ok(()),
        (Err(error), Some(_)) => Err(error),
        (Ok(()), Some(_)) => Err(Error::Refused {
            what: format!("delete {}", instance.name),
            message: "the daemon said that it did, and it is still there".into(),
        }),
    }
}
