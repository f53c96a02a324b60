//! What the daemon in memory holds, and what each change does to it. Where LXD 5.0 has a quirk that
//! a caller must cope with, it is here too.

use std::collections::BTreeMap;

use super::Fake;
use crate::backend::{
    ConfigEdit, Error, ExecSpec, ImageInfo, Instance, InstanceSpec, InstanceState, Network, Pool, Power,
    Profile, Result, Snapshot, Status,
    error::fold,
    types::{REPLACED, is_name},
};

/// Files by path.
type Files = BTreeMap<String, Vec<u8>>;

/// An instance with all that it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// What a list shows of it, without what its profiles add.
    pub instance: Instance,
    /// What is inside.
    pub files: Files,
    /// Its snapshots, oldest first.
    pub saved: Vec<Saved>,
}

/// A snapshot with what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// What a list shows of it.
    pub snapshot: Snapshot,
    /// The instance at that time.
    pub instance: Instance,
    /// What was inside.
    pub files: Files,
}

impl Machine {
    /// The scripts that ran in it, each once, in the order of their last run.
    pub fn log(&self) -> Vec<String> {
        let bytes = self.files.get(Fake::LOG).map_or(&[][..], Vec::as_slice);
        String::from_utf8_lossy(bytes)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) machines: BTreeMap<String, Machine>,
    pub(super) images: BTreeMap<String, ImageInfo>,
    pub(super) aliases: BTreeMap<String, String>,
    pub(super) profiles: BTreeMap<String, Profile>,
    pub(super) pools: BTreeMap<String, Pool>,
    pub(super) networks: BTreeMap<String, Network>,
    /// Seconds since the world began, one a date; also the source of uuids.
    clock: u32,
}

/// There is none.
pub(super) fn missing(what: String) -> Error {
    Error::Missing { what }
}

/// The daemon's no.
pub(super) fn refused(what: &str, message: &str) -> Error {
    Error::Refused {
        what: fold(what),
        message: message.to_owned(),
    }
}

/// Refuses names that the real client refuses.
pub(super) fn check_name(name: &str) -> Result<()> {
    if is_name(name) {
        Ok(())
    } else {
        Err(refused(&format!("make `{name}`"), "it cannot be a name"))
    }
}

impl World {
    /// As after `lxd init`.
    pub(super) fn initialise(&mut self) {
        let device = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
        };
        let root = device(&[("type", "disk"), ("path", "/"), ("pool", "default")]);
        let eth0 = device(&[("type", "nic"), ("network", "fakebr0"), ("name", "eth0")]);
        let default = Profile {
            name: "default".into(),
            devices: [("root".into(), root), ("eth0".into(), eth0)].into(),
            ..Profile::default()
        };
        self.profiles.insert("default".into(), default);
        let done = [
            self.create_pool("default", "btrfs", Some(20 << 30)),
            self.create_network("fakebr0"),
        ];
        debug_assert!(done.iter().all(Result::is_ok));
    }

    /// A later date than all before.
    pub(super) fn now(&mut self) -> String {
        self.clock += 1;
        let (minutes, seconds) = (self.clock / 60, self.clock % 60);
        format!(
            "2026-01-01T{:02}:{:02}:{seconds:02}Z",
            minutes / 60 % 24,
            minutes % 60
        )
    }

    pub(super) fn machine(&self, name: &str) -> Result<&Machine> {
        let found = self.machines.get(name);
        found.ok_or_else(|| missing(format!("instance `{name}`")))
    }

    pub(super) fn machine_mut(&mut self, name: &str) -> Result<&mut Machine> {
        let found = self.machines.get_mut(name);
        found.ok_or_else(|| missing(format!("instance `{name}`")))
    }

    /// An instance with what its profiles add.
    pub(super) fn instance(&self, name: &str) -> Option<Instance> {
        let mut instance = self.machines.get(name)?.instance.clone();
        for profile in instance.profiles.iter().filter_map(|p| self.profiles.get(p)) {
            instance.expanded_config.extend(profile.config.clone());
            instance.expanded_devices.extend(profile.devices.clone());
        }
        instance.expanded_config.extend(instance.config.clone());
        instance.expanded_devices.extend(instance.devices.clone());
        Some(instance)
    }

    pub(super) fn state(&self, name: &str) -> Result<InstanceState> {
        if self.machine(name)?.instance.status != Status::Running {
            return Ok(InstanceState::default());
        }
        let number = self.machines.keys().position(|n| n == name).unwrap_or_default();
        Ok(InstanceState {
            addresses: vec![format!("10.0.0.{}", number + 2)],
            memory: 16 << 20,
            disk: None,
            processes: 3,
            processor: 0,
        })
    }

    pub(super) fn snapshot_names(&self) -> BTreeMap<String, Vec<String>> {
        let names = |m: &Machine| {
            m.saved
                .iter()
                .map(|s| s.snapshot.name.clone())
                .collect::<Vec<_>>()
        };
        let all = self.machines.iter().map(|(name, m)| (name.clone(), names(m)));
        all.filter(|(_, names)| !names.is_empty()).collect()
    }

    /// Puts a new instance in place, with an identity of its own.
    fn insert(&mut self, mut machine: Machine) -> Result<()> {
        let name = machine.instance.name.clone();
        check_name(&name)?;
        if self.machines.contains_key(&name) {
            return Err(Error::Exists {
                what: format!("instance `{name}`"),
            });
        }
        if let Some(profile) = machine
            .instance
            .profiles
            .iter()
            .find(|p| !self.profiles.contains_key(*p))
        {
            return Err(refused(
                &format!("make `{name}`"),
                &format!("profile {profile} doesn't exist"),
            ));
        }
        machine.instance.created = self.now();
        machine.instance.last_used = String::new();
        machine.instance.uuid = format!("00000000-0000-4000-8000-{:012}", self.clock);
        machine.instance.status = Status::Stopped;
        machine.instance.status_text = "Stopped".into();
        machine.instance.location = "none".into();
        let uuid = machine.instance.uuid.clone();
        machine.instance.config.insert("volatile.uuid".into(), uuid);
        self.machines.insert(name, machine);
        Ok(())
    }

    pub(super) fn create(&mut self, spec: &InstanceSpec) -> Result<()> {
        let image = self.image(&spec.image).ok_or_else(|| {
            refused(
                &format!("make `{}` from image `{}`", spec.name, spec.image),
                "Image alias not found",
            )
        })?;
        let profiles = if spec.profiles.is_empty() {
            vec!["default".into()]
        } else {
            spec.profiles.clone()
        };
        self.insert(Machine {
            instance: Instance {
                name: spec.name.clone(),
                description: spec.description.clone(),
                config: spec.config.clone(),
                profiles,
                devices: spec.devices.clone(),
                ..Instance::default()
            },
            files: [("/etc/image".to_owned(), image.fingerprint.into_bytes())].into(),
            saved: vec![],
        })
    }

    pub(super) fn copy(&mut self, from: &str, snapshot: Option<&str>, spec: &InstanceSpec) -> Result<()> {
        let source = self.machine(from)?;
        let mut copy = match snapshot {
            Some(name) => {
                let saved = saved(source, name)?;
                Machine {
                    instance: saved.instance.clone(),
                    files: saved.files.clone(),
                    saved: vec![],
                }
            }
            None => source.clone(),
        };
        if spec.instance_only {
            copy.saved.clear();
        }
        let instance = &mut copy.instance;
        instance.name.clone_from(&spec.name);
        instance.config.retain(|key, _| !key.starts_with("volatile."));
        instance.config.extend(spec.config.clone());
        instance.devices.extend(spec.devices.clone());
        if !spec.profiles.is_empty() {
            instance.profiles.clone_from(&spec.profiles);
        }
        if !spec.description.is_empty() {
            instance.description.clone_from(&spec.description);
        }
        self.insert(copy)
    }

    pub(super) fn delete(&mut self, name: &str) -> Result<()> {
        if self.machine(name)?.instance.status != Status::Stopped {
            return Err(refused(&format!("delete `{name}`"), "Instance is running"));
        }
        self.machines.remove(name);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        check_name(to)?;
        if self.machine(from)?.instance.status != Status::Stopped {
            return Err(refused(
                &format!("rename `{from}`"),
                "Renaming of running instance not allowed",
            ));
        }
        if self.machines.contains_key(to) {
            return Err(Error::Exists {
                what: format!("instance `{to}`"),
            });
        }
        if let Some(mut machine) = self.machines.remove(from) {
            to.clone_into(&mut machine.instance.name);
            self.machines.insert(to.to_owned(), machine);
        }
        Ok(())
    }

    pub(super) fn power(&mut self, name: &str, power: Power) -> Result<()> {
        let now = self.now();
        let instance = &mut self.machine_mut(name)?.instance;
        let (status, text) = match power {
            Power::Start => (Status::Running, "Running"),
            Power::Stop { .. } => (Status::Stopped, "Stopped"),
        };
        if status == Status::Running {
            instance.last_used = now;
        }
        instance.status = status;
        instance.status_text = text.into();
        Ok(())
    }

    pub(super) fn edit(&mut self, name: &str, edit: &ConfigEdit) -> Result<()> {
        let instance = &mut self.machine_mut(name)?.instance;
        for (key, value) in &edit.config {
            match value {
                Some(value) => instance.config.insert(key.clone(), value.clone()),
                None => instance.config.remove(key),
            };
        }
        if let Some(description) = &edit.description {
            instance.description.clone_from(description);
        }
        if let Some(profiles) = &edit.profiles {
            instance.profiles.clone_from(profiles);
        }
        Ok(())
    }

    pub(super) fn take_snapshot(&mut self, name: &str, snapshot: &str) -> Result<()> {
        check_name(snapshot)?;
        let created = self.now();
        let machine = self.machine_mut(name)?;
        if saved(machine, snapshot).is_ok() {
            return Err(Error::Exists {
                what: format!("snapshot `{snapshot}` of `{name}`"),
            });
        }
        // The daemons keep no description with a snapshot.
        let instance = Instance {
            description: String::new(),
            ..machine.instance.clone()
        };
        machine.saved.push(Saved {
            snapshot: Snapshot {
                name: snapshot.to_owned(),
                created,
                size: None,
                config: instance.config.clone(),
                devices: instance.devices.clone(),
            },
            instance,
            files: machine.files.clone(),
        });
        Ok(())
    }

    pub(super) fn delete_snapshot(&mut self, name: &str, snapshot: &str) -> Result<()> {
        let machine = self.machine_mut(name)?;
        saved(machine, snapshot)?;
        machine.saved.retain(|s| s.snapshot.name != snapshot);
        Ok(())
    }

    pub(super) fn rename_snapshot(&mut self, name: &str, from: &str, to: &str) -> Result<()> {
        check_name(to)?;
        let machine = self.machine_mut(name)?;
        saved(machine, from)?;
        if saved(machine, to).is_ok() {
            return Err(Error::Exists {
                what: format!("snapshot `{to}` of `{name}`"),
            });
        }
        for saved in machine.saved.iter_mut().filter(|s| s.snapshot.name == from) {
            to.clone_into(&mut saved.snapshot.name);
        }
        Ok(())
    }

    /// As LXD 5.0: config and devices are those of the snapshot, the description is emptied.
    pub(super) fn restore(&mut self, name: &str, snapshot: &str, uuid: &str) -> Result<()> {
        let machine = self.machine_mut(name)?;
        if !uuid.is_empty() && machine.instance.uuid != uuid {
            return Err(refused(&format!("restore `{name}`"), REPLACED));
        }
        let then = saved(machine, snapshot)?.clone();
        machine.files = then.files;
        machine.instance.config = then.instance.config;
        // Also the identity, which is another one in the snapshots of a copy. Measured on LXD 5.0.2.
        if let Some(uuid) = machine.instance.config.get("volatile.uuid") {
            machine.instance.uuid.clone_from(uuid);
        }
        machine.instance.devices = then.instance.devices;
        // Profiles stay: a snapshot has those of its instance of now. Measured on LXD 5.0.2.
        machine.instance.description = String::new();
        Ok(())
    }

    /// Exit code and output of a command.
    pub(super) fn exec(&mut self, name: &str, spec: &ExecSpec) -> Result<(i32, String)> {
        let machine = self.machine_mut(name)?;
        if machine.instance.status != Status::Running {
            return Err(refused(
                &format!("run a command in `{name}`"),
                "Instance is not running",
            ));
        }
        let argv: Vec<&str> = spec.argv.iter().map(String::as_str).collect();
        if let ["rm", "-f", "--", files @ ..] = argv.as_slice() {
            machine.files.retain(|path, _| !files.contains(&path.as_str()));
            return Ok((0, String::new()));
        }
        let script = argv.last().copied().unwrap_or_default();
        Ok(machine.run(script))
    }
}

impl Machine {
    /// Runs a script: its exit code and output.
    pub(super) fn run(&mut self, script: &str) -> (i32, String) {
        let echo = |line: &str| Some(format!("{}\n", line.trim().strip_prefix("echo ")?));
        let output = script.lines().filter_map(echo).collect();
        if script.contains("FAKE_FAIL") {
            return (1, output);
        }
        let line = script.replace('\n', "; ");
        let mut ran = self.log();
        ran.retain(|earlier| *earlier != line);
        ran.push(line);
        let log = ran.join("\n") + "\n";
        self.files.insert(Fake::LOG.into(), log.into_bytes());
        (0, output)
    }
}

/// A snapshot of a machine.
fn saved<'a>(machine: &'a Machine, snapshot: &str) -> Result<&'a Saved> {
    let found = machine.saved.iter().find(|s| s.snapshot.name == snapshot);
    found.ok_or_else(|| missing(format!("snapshot `{snapshot}` of `{}`", machine.instance.name)))
}
