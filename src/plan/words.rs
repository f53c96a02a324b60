//! Actions with their words: one place for the sentence, the equivalent command and the undo of each step.

use crate::{
    backend::{ConfigEdit, Engine, InstanceSpec, Power, Profile},
    labs::{SnapshotKind, expiry::Expired, profile_name},
};

use super::{Action, Step, Undo, commands::Commands};

/// Makes the actions of one lab.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    /// Prefix of the ids.
    pub(super) lab: &'a str,
    /// `lxc` or `incus`, `docker` or `podman`.
    pub(super) client: &'a str,
    /// Whose client that is.
    pub(super) engine: Engine,
}

impl Words<'_> {
    /// An action that changes nothing that matters and takes a second.
    pub(super) fn action(&self, id: &str, sentence: String, command: String, step: Step) -> Action {
        Action {
            id: format!("{}/{id}", self.lab),
            sentence,
            command,
            destroys: None,
            undo: Undo::Nothing,
            seconds: 1,
            step,
            optional: false,
            engine: self.engine,
        }
    }

    pub(super) fn commands(&self) -> Commands<'_> {
        Commands {
            client: self.client,
            engine: self.engine,
        }
    }

    pub(super) fn put_profile(&self, profile: Profile) -> Action {
        self.put_profile_over(profile, None)
    }

    /// Writes a profile with what a person added to another one.
    pub(super) fn put_profile_over(&self, profile: Profile, over: Option<String>) -> Action {
        let name = profile.name.clone();
        let devices: Vec<&str> = profile.devices.keys().map(String::as_str).collect();
        let held = match devices.join(", ") {
            none if none.is_empty() => String::new(),
            devices => format!(" ({devices})"),
        };
        let id = if name == profile_name(self.lab) {
            "profile".to_owned()
        } else {
            format!("profile-{name}")
        };
        self.action(
            &id,
            format!("write the profile {name}{held}"),
            self.commands().write_profile(&name),
            Step::PutProfile { profile, over },
        )
    }

    pub(super) fn copy_profile(&self, from: &str, to: &str) -> Action {
        self.action(
            &format!("profile-copy-{to}"),
            format!("copy the devices and settings of the profile {from} to {to}"),
            self.commands().copy_profile(from, to),
            Step::CopyProfile {
                from: from.into(),
                to: to.into(),
            },
        )
    }

    pub(super) fn delete_profile(&self, name: &str) -> Action {
        self.action(
            &format!("profile-delete-{name}"),
            format!("remove the profile {name}, which nothing uses any more"),
            self.commands().delete_profile(name),
            Step::DeleteProfile { name: name.into() },
        )
    }

    pub(super) fn create(&self, spec: InstanceSpec, image: &str) -> Action {
        let command = self.commands().create(&spec);
        Action {
            undo: Undo::By(format!("delete {}", spec.name)),
            seconds: 8,
            ..self.action(
                &format!("create-{}", spec.name),
                format!("create the instance {} from {image}", spec.name),
                command,
                Step::Create { spec },
            )
        }
    }

    pub(super) fn copy(
        &self,
        from: &str,
        snapshot: Option<&str>,
        spec: InstanceSpec,
        sentence: String,
    ) -> Action {
        Action {
            undo: Undo::By(format!("delete {}", spec.name)),
            seconds: 2,
            ..self.action(
                &format!("copy-{}", spec.name),
                sentence,
                self.commands().copy(from, snapshot, &spec.name),
                Step::Copy {
                    from: from.into(),
                    snapshot: snapshot.map(Into::into),
                    spec,
                },
            )
        }
    }

    pub(super) fn start(&self, name: &str) -> Action {
        self.action(
            &format!("start-{name}"),
            format!("start {name}"),
            format!("{} start {name}", self.client),
            Step::Power {
                name: name.into(),
                power: Power::Start,
            },
        )
    }

    pub(super) fn stop(&self, name: &str) -> Action {
        Action {
            undo: Undo::By(format!("start {name}")),
            seconds: 5,
            ..self.action(
                &format!("stop-{name}"),
                format!("stop {name} (programs inside are asked to end, and ended after 30 s)"),
                self.commands().stop(name),
                Step::Power {
                    name: name.into(),
                    power: Power::Stop { seconds: 30 },
                },
            )
        }
    }

    /// None for Docker: a container has its address when it is started, or never.
    pub(super) fn wait_network(&self, name: &str) -> Option<Action> {
        (self.engine == Engine::Lxd).then(|| Action {
            seconds: 5,
            ..self.action(
                &format!("network-{name}"),
                format!("wait until {name} has an address"),
                format!("{} list {name}", self.client),
                Step::WaitNetwork {
                    name: name.into(),
                    seconds: 60,
                },
            )
        })
    }

    pub(super) fn prove(&self, name: &str) -> Action {
        Action {
            seconds: 5,
            ..self.action(
                &format!("prove-gpu-{name}"),
                format!("run a kernel on each GPU in {name}, and compare its result with the CPU's"),
                format!(
                    "{} halolab prove  # put in for this, and taken out after",
                    self.commands().exec(name)
                ),
                Step::Prove { name: name.into() },
            )
        }
    }

    pub(super) fn snapshot(&self, name: &str, snapshot: &str, note: &str) -> Action {
        Action {
            undo: Undo::By(format!("delete the snapshot {snapshot}")),
            ..self.action(
                &format!("snapshot-{name}-{snapshot}"),
                format!("take the snapshot {snapshot} of {name}: {note}"),
                self.commands().snapshot(name, snapshot),
                Step::Snapshot {
                    name: name.into(),
                    snapshot: snapshot.into(),
                    note: note.into(),
                    kind: kind(snapshot),
                },
            )
        }
    }

    /// Removes safety snapshots whose days are over; without it all else is done too.
    pub(super) fn expire(&self, name: &str, snapshots: Vec<Expired>, days: u32) -> Action {
        let dated = snapshots.iter().map(|s| {
            let date = s.taken.get(..10).unwrap_or_default();
            format!("{} of {date}", crate::log::sanitize(&s.snapshot))
        });
        let dated = dated.collect::<Vec<_>>().join(", ");
        Action {
            destroys: Some(format!("what only {dated} held")),
            undo: Undo::Never,
            optional: true,
            ..self.action(
                &format!("expire-{name}"),
                format!("remove the safety snapshots of {name} that are older than {days} days: {dated}"),
                self.commands()
                    .delete_snapshot(name, snapshots.first().map_or("", |s| s.snapshot.as_str())),
                Step::Expire {
                    name: name.into(),
                    snapshots,
                },
            )
        }
    }

    pub(super) fn edit(
        &self,
        id: &str,
        name: &str,
        sentence: String,
        (edit, uuid): (ConfigEdit, &str),
    ) -> Action {
        let keys: Vec<_> = edit
            .config
            .iter()
            .map(|(k, v)| format!("{k}={}", v.as_deref().unwrap_or("")))
            .collect();
        self.action(
            id,
            sentence,
            self.commands().edit(name, &keys.join(" ")),
            Step::Edit {
                name: name.into(),
                edit,
                uuid: uuid.into(),
            },
        )
    }

    /// Removes an instance of which a whole copy exists by then.
    pub(super) fn delete_copied(&self, name: &str, uuid: &str, copy: &str) -> Action {
        Action {
            undo: Undo::By(format!("copy {copy} back to {name}")),
            seconds: 2,
            ..self.action(
                &format!("delete-{name}"),
                format!("delete {name}, of which {copy} holds everything by then"),
                self.commands().delete(name),
                Step::Delete {
                    name: name.into(),
                    uuid: uuid.into(),
                    only_if: Some(copy.into()),
                },
            )
        }
    }

    /// Removes an earlier version whose days are over.
    pub(super) fn retire(&self, name: &str, uuid: &str, destroys: String) -> Action {
        Action {
            optional: true,
            step: Step::Retire {
                name: name.into(),
                uuid: uuid.into(),
            },
            ..self.delete(name, uuid, destroys)
        }
    }

    /// Removes an instance for good.
    pub(super) fn delete(&self, name: &str, uuid: &str, destroys: String) -> Action {
        Action {
            destroys: Some(destroys),
            undo: Undo::Never,
            seconds: 2,
            ..self.action(
                &format!("delete-{name}"),
                format!("delete {name} with its snapshots"),
                self.commands().delete(name),
                Step::Delete {
                    name: name.into(),
                    uuid: uuid.into(),
                    only_if: None,
                },
            )
        }
    }
}

/// `config` as an edit that sets these tags; an empty value removes the tag.
pub(super) fn tags(pairs: &[(&str, &str)]) -> ConfigEdit {
    let value = |v: &str| (!v.is_empty()).then(|| v.to_owned());
    ConfigEdit {
        config: pairs
            .iter()
            .map(|(k, v)| (crate::labs::tag(k), value(v)))
            .collect(),
        ..ConfigEdit::default()
    }
}

/// Why we take a snapshot of this name.
fn kind(snapshot: &str) -> SnapshotKind {
    match snapshot {
        super::CLEAN => SnapshotKind::Clean,
        name if name.starts_with("before-") => SnapshotKind::Safety,
        _ => SnapshotKind::User,
    }
}
