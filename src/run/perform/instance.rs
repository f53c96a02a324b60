//! Steps on instances: make, copy, start, stop, wait, run scripts, delete.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{
    backend::{
        Backend, ConfigEdit, Error, ExecSpec, Instance, InstanceSpec, Power, Progress, Status,
        types::{REPLACED, short_fingerprint},
    },
    labs::{
        IMAGE, UPDATING, marks, notes_profile, profile_name, tag,
        verdict::{Check, Verdict},
    },
    stage::Answer,
};

use super::{DID, Ended, Failure, Hand, SKIPPED};

impl Hand<'_> {
    pub(super) async fn create(&mut self, spec: &InstanceSpec) -> Ended {
        let backend = self.backend().await?;
        self.clear_leftover(backend, &spec.name).await?;
        let mut spec = spec.clone();
        spec.config.insert(tag("run"), self.worker.run.to_owned());
        if let Some(found) = backend.image(&spec.image).await? {
            let pinned = spec.config.insert(tag(IMAGE), found.fingerprint.clone());
            if let Some(pinned) = pinned.filter(|pinned| *pinned != found.fingerprint) {
                return Err(Failure::Blocked(format!(
                    "the image {} has the fingerprint {}, and the stage takes only {pinned}; plan anew, or choose another \
                     image (`--set image=…`)",
                    spec.image, found.fingerprint
                )));
            }
            self.output.line(&format!(
                "    image {}, fingerprint {}",
                spec.image,
                short_fingerprint(&found.fingerprint)
            ));
        }
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
        if snapshot.is_none() {
            let source = existing(backend, from).await?;
            if source.status != Status::Stopped {
                return Err(Failure::Blocked(format!(
                    "{from} runs, and a copy would miss what it does meanwhile; stop it with `halolab stop {from}`"
                )));
            }
            // What the copy holds: this instance, as it was when it was last started.
            marked.config.insert(tag("copied"), copied(&source));
        }
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
        let mut config: BTreeMap<_, _> = removed.chain([(tag("state"), None)]).collect();
        let made = existing(backend, &spec.name).await?;
        let proven = made.tag("verdict").and_then(Verdict::read);
        let kept = spec.config.get(&tag("kept")).is_some_and(|lab| !lab.is_empty());
        // What is only kept stays what it was, and what this run proved is proven.
        if !kept && proven.is_none_or(|verdict| verdict.run != self.worker.run) {
            let source = snapshot.map_or_else(|| from.to_owned(), |s| format!("{from}/{s}"));
            config.extend(stale(&made, &format!("it was copied from {source}")));
        }
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
        if found.tag("state") != Some("building") || found.tag("run") != Some(self.worker.run) {
            let what = format!("instance `{name}`");
            return Err(Failure::Blocked(Error::Exists { what }.to_string()));
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
        let code = match self.hand_over(name, secrets, &mut env).await {
            Ok(()) => self.run_script(name, script, env).await,
            Err(failure) => Err(failure),
        };
        if !secrets.is_empty() {
            self.take_back(name, secrets).await?;
        }
        match code? {
            0 => DID,
            code => Err(Failure::Failed(format!(
                "the script ended with {code}: {}",
                self.output.last_line()
            ))),
        }
    }

    pub(super) async fn verify(
        &mut self,
        step: &str,
        name: &str,
        script: &str,
        env: &BTreeMap<String, String>,
    ) -> Ended {
        let code = self.run_script(name, script, env.clone()).await?;
        let said = match self.output.result() {
            said if said.is_empty() && code == 0 => "passed".to_owned(),
            said => said,
        };
        let check = Check {
            step: step.to_owned(),
            ok: code == 0,
            said: said.clone(),
        };
        self.checked(name, check).await?;
        if code == 0 {
            DID
        } else {
            let last = self.output.last_line();
            let more = if said.contains(&last) {
                String::new()
            } else {
                format!("; {last}")
            };
            Err(Failure::Failed(format!(
                "the proof failed with {code}: {said}{more}"
            )))
        }
    }

    /// Writes secrets into files that only root inside can read.
    async fn hand_over(
        &mut self,
        name: &str,
        secrets: &[String],
        env: &mut BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        let given = self.worker.cx.secrets.get(self.lab);
        let backend = self.backend().await?;
        for id in secrets {
            let Some(Answer::Text(value)) = given.and_then(|g| g.get(id)) else {
                continue;
            };
            let path = secret_file(id);
            backend.push(name, &path, value.as_bytes(), 0o600, (0, 0)).await?;
            env.insert(format!("SECRET_{}", id.to_uppercase()), path);
        }
        Ok(())
    }

    /// Removes the files of secrets, also after a stop and what an earlier attempt left.
    async fn take_back(&self, name: &str, secrets: &[String]) -> Result<(), Failure> {
        let files = secrets.iter().map(|id| secret_file(id));
        let argv = ["rm", "-f", "--"]
            .into_iter()
            .map(str::to_owned)
            .chain(files)
            .collect();
        let spec = ExecSpec {
            argv,
            ..ExecSpec::default()
        };
        let backend = self.backend().await?;
        // Not ours to cancel: a stopped run must not leave a secret behind.
        let code = backend
            .exec(name, &spec, &mut |_, _| {}, &Progress::default())
            .await?;
        if code == 0 {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "the secrets in /root of {name} could not be removed; delete .halolab-secret-* there"
        )))
    }

    pub(super) async fn edit(&mut self, name: &str, edit: &ConfigEdit, uuid: &str) -> Ended {
        let backend = self.backend().await?;
        let found = existing(backend, name).await?;
        same(&found, uuid)?;
        let mut edit = edit.clone();
        if edit.config.get(&tag(UPDATING)).is_some_and(Option::is_some) {
            edit.config.extend(stale(&found, "its update began"));
        }
        backend.edit(name, &edit).await?;
        DID
    }

    pub(super) async fn delete(&mut self, name: &str, uuid: &str, only_if: Option<&str>) -> Ended {
        let backend = self.backend().await?;
        let Some(found) = backend.instance(name).await? else {
            if self.again {
                // An earlier attempt may have ended between the two.
                marks::forget_all(backend, &profile_name(name), name).await?;
            }
            if self.again && only_if.is_none() {
                remove_unused(backend, &profile_name(name)).await?;
            }
            return SKIPPED;
        };
        same(&found, uuid)?;
        if let Some(copy) = only_if {
            self.must_hold(backend, copy, &found).await?;
        }
        stop_and_delete(backend, &found).await?;
        if let Some(profile) = notes_profile(&found) {
            marks::forget_all(backend, profile, name).await?;
            if only_if.is_none() {
                remove_unused(backend, profile).await?;
                // Of a recreate that ended before it made its instance.
                remove_unused(backend, &profile_name(&format!("{name}-next"))).await?;
            }
        }
        DID
    }

    /// Makes sure that `copy` is whole, has every snapshot of `found`, and that `found` did not run since.
    async fn must_hold(&self, backend: &dyn Backend, copy: &str, found: &Instance) -> Result<(), Failure> {
        let name = &found.name;
        let kept = backend
            .instance(copy)
            .await?
            .filter(|i| i.tag("state") != Some("building"));
        let Some(kept) = kept else {
            return Err(Failure::Blocked(format!(
                "{copy} is not whole; {name} was not deleted"
            )));
        };
        if found.status != Status::Stopped || kept.tag("copied") != Some(copied(found).as_str()) {
            return Err(Failure::Blocked(format!(
                "{name} was started since {copy} was made of it, and may hold newer work; it was not deleted. \
                 Begin anew: the choice that you made, once more"
            )));
        }
        let names = backend.snapshot_names(&[name, copy]).await?;
        let of = |instance: &str| names.get(instance).map_or(&[][..], Vec::as_slice);
        if of(name).iter().all(|s| of(copy).contains(s)) {
            return Ok(());
        }
        Err(Failure::Blocked(format!(
            "{copy} lacks snapshots of {name}; {name} was not deleted"
        )))
    }
}

/// Removes a profile of ours that no instance uses any more; says whether it was there and is gone.
pub(super) async fn remove_unused(backend: &dyn Backend, profile: &str) -> Result<bool, Error> {
    if backend.profile(profile).await?.is_none() {
        return Ok(false);
    }
    let used = backend
        .instances()
        .await?
        .iter()
        .any(|i| i.profiles.iter().any(|p| p == profile));
    if !used {
        backend.delete_profile(profile).await?;
    }
    Ok(!used)
}

/// The change that says that an instance is not what was proven any more; none where it has no verdict.
pub(super) fn stale(instance: &Instance, since: &str) -> Option<(String, Option<String>)> {
    let stored = instance.tag("verdict")?;
    Some((tag("verdict"), Some(Verdict::stale(stored, since))))
}

/// Where a secret is while a script reads it.
fn secret_file(id: &str) -> String {
    format!("/root/.halolab-secret-{id}")
}

/// Refuses an instance that is another one than the plan was made for.
pub(super) fn same(found: &Instance, uuid: &str) -> Result<(), Failure> {
    if uuid.is_empty() || found.uuid == uuid {
        return Ok(());
    }
    Err(Failure::Blocked(format!(
        "{} is not the instance that you were shown: someone replaced it; it was not touched, look at `halolab status`",
        found.name
    )))
}

/// What a copy of an instance holds: which instance, and which of its starts it is later than.
fn copied(instance: &Instance) -> String {
    format!("{} {}", instance.uuid, instance.last_used)
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

/// Stopping takes time: it is looked at again right before it is deleted.
async fn stop_and_delete(backend: &dyn Backend, instance: &Instance) -> Result<(), Error> {
    if instance.status != Status::Stopped {
        backend.power(&instance.name, Power::Stop { seconds: 0 }).await?;
        match backend.instance(&instance.name).await? {
            Some(now) if now.uuid != instance.uuid => {
                return Err(Error::Refused {
                    what: format!("delete {}", instance.name),
                    message: REPLACED.into(),
                });
            }
            Some(_) => {}
            None => return Ok(()),
        }
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
