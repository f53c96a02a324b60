//! Instances: list, make, copy, start, stop, change, remove.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

pub(super) use crate::backend::about::{check_known, check_new};

use super::{
    Lxd,
    transport::{About, Ask, segment},
    wire,
};
use crate::backend::{
    ConfigEdit, Error, Instance, InstanceSpec, InstanceState, Power, Progress, Result, Status,
};

/// What `PUT` on an instance takes; all else in the answer of `GET` is read-only.
const WRITABLE: &[&str] = &[
    "architecture",
    "config",
    "description",
    "devices",
    "ephemeral",
    "profiles",
    "stateful",
];

/// How often a change is tried where somebody else's comes first.
const RACES: u32 = 10;

/// What LXD 5.0 says of a change that meets another one of the same instance.
const BUSY: &[&str] = &["matching non-reusable operation", "is busy running"];

/// The path of an instance.
pub(super) fn path(name: &str) -> String {
    format!("/1.0/instances/{}", segment(name))
}

/// "to {verb} an instance", for errors.
pub(super) fn about(verb: &str, name: &str) -> About {
    About::new(format!("{verb} `{name}`"), format!("instance `{name}`"))
}

impl Lxd {
    /// One call at any number of instances; snapshots are not in it.
    pub(super) async fn list_instances(&self) -> Result<Vec<Instance>> {
        let about = About::new("list the instances", "list of instances");
        let told: Vec<wire::Instance> = self.transport.get("/1.0/instances?recursion=1", &about).await?;
        Ok(told.into_iter().map(Into::into).collect())
    }

    /// Names of the instances of all projects. What shows only a part of them is no answer.
    pub(super) async fn list_everywhere(&self) -> Result<Vec<String>> {
        #[derive(serde::Deserialize)]
        struct Named {
            name: String,
            #[serde(default)]
            project: String,
        }
        let about = About::new("list the instances of all projects", "list of instances");
        // The door of Incus for its users shows each of them a project of their own.
        if self.transport.address().ends_with("unix.socket.user") {
            return Err(about.no("this socket shows one user's project only"));
        }
        if !self.server.has("instance_all_projects") {
            return Err(about.no("this engine cannot, it is too old"));
        }
        let path = "/1.0/instances?recursion=1&all-projects=true";
        let told: Vec<Named> = self.transport.get(path, &about).await?;
        let name = |one: Named| match one.project.as_str() {
            "" | "default" => one.name,
            project => format!("{project}/{}", one.name),
        };
        Ok(told.into_iter().map(name).collect())
    }

    /// One instance.
    pub(super) async fn find_instance(&self, name: &str) -> Result<Option<Instance>> {
        match self.read_instance(name).await {
            Ok(found) => Ok(Some(found.into())),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One instance that must be there.
    pub(super) async fn read_instance(&self, name: &str) -> Result<wire::Instance> {
        let about = about("look at", name);
        check_known(name, &about)?;
        self.transport.get(&path(name), &about).await
    }

    /// Live facts.
    pub(super) async fn read_state(&self, name: &str) -> Result<InstanceState> {
        let about = about("look at", name);
        check_known(name, &about)?;
        let told: wire::State = self
            .transport
            .get(&format!("{}/state", path(name)), &about)
            .await?;
        Ok(told.into())
    }

    /// Makes an instance, stopped.
    pub(super) async fn create_instance(&self, spec: &InstanceSpec, progress: &Progress) -> Result<()> {
        let about = About::making(
            format!("make `{}` from image `{}`", spec.name, spec.image),
            format!("instance `{}`", spec.name),
        );
        check_new(&spec.name, &about)?;
        let by = if is_fingerprint(&spec.image) {
            "fingerprint"
        } else {
            "alias"
        };
        let mut body = json!({
            "name": spec.name,
            "type": "container",
            "description": spec.description,
            "config": spec.config,
            "devices": spec.devices,
            "source": { "type": "image", by: spec.image },
        });
        // No list means the daemon's own choice, the profile `default`; an empty one means none.
        if !spec.profiles.is_empty() {
            insert(&mut body, "profiles", json!(spec.profiles));
        }
        self.start_instance_operation(&body, &about, progress).await
    }

    /// Copies an instance with its snapshots, or one snapshot of it. LXD 5.0 takes no profiles or
    /// devices over by itself ("No root device could be found"), so they are sent along.
    pub(super) async fn copy_instance(
        &self,
        from: &str,
        snapshot: Option<&str>,
        spec: &InstanceSpec,
        progress: &Progress,
    ) -> Result<()> {
        let named = snapshot.map_or_else(|| from.to_owned(), |s| format!("{from}/{s}"));
        let about = About::making(
            format!("copy `{named}` to `{}`", spec.name),
            format!("instance `{}`", spec.name),
        );
        check_new(&spec.name, &about)?;
        let source = match snapshot {
            Some(snapshot) => self.read_snapshot(from, snapshot).await?,
            None => self.read_instance(from).await?,
        };
        let kept = |key: &str| !key.starts_with("volatile.");
        let mut config: wire::Map = source.config.into_iter().filter(|(key, _)| kept(key)).collect();
        config.extend(spec.config.clone());
        let mut devices = source.devices;
        devices.extend(spec.devices.clone());
        let profiles = if spec.profiles.is_empty() {
            &source.profiles
        } else {
            &spec.profiles
        };
        let description = if spec.description.is_empty() {
            &source.description
        } else {
            &spec.description
        };
        let body = json!({
            "name": spec.name,
            "type": "container",
            "description": description,
            "config": config,
            "devices": devices,
            "profiles": profiles,
            "source": { "type": "copy", "source": named, "instance_only": spec.instance_only },
        });
        self.start_instance_operation(&body, &about, progress).await
    }

    /// `POST /1.0/instances`.
    async fn start_instance_operation(&self, body: &Value, about: &About, progress: &Progress) -> Result<()> {
        let ask = Ask::with(Method::POST, "/1.0/instances", body);
        self.transport.follow(&ask, about, progress).await.map(drop)
    }

    /// Removes a stopped instance.
    pub(super) async fn delete_instance(&self, name: &str) -> Result<()> {
        let about = about("delete", name);
        check_known(name, &about)?;
        let gone = self
            .transport
            .run(&Ask::new(Method::DELETE, &path(name)), &about)
            .await;
        self.explain_wreck(name, gone.map(drop)).await
    }

    /// Renames a stopped instance.
    pub(super) async fn rename_instance(&self, from: &str, to: &str) -> Result<()> {
        let about = About::new(format!("rename `{from}` to `{to}`"), format!("instance `{from}`"));
        check_known(from, &about)?;
        check_new(to, &about)?;
        let body = json!({ "name": to });
        let path = path(from);
        let renamed = self
            .transport
            .run(&Ask::with(Method::POST, &path, &body), &about)
            .await;
        match renamed {
            // It is the new name that is taken.
            Err(Error::Exists { .. }) => Err(Error::Exists {
                what: format!("instance `{to}`"),
            }),
            other => other.map(drop),
        }
    }

    /// Starts or stops. A frozen instance is thawed first, alone: the bulk call reports failure and
    /// leaves it frozen.
    pub(super) async fn set_power(&self, name: &str, power: Power) -> Result<()> {
        let frozen = match self.find_instance(name).await? {
            Some(instance) => instance.status == Status::Frozen,
            None => return Err(about("reach", name).refused(404, "")),
        };
        if frozen {
            self.act(name, "unfreeze", 0, false).await?;
        }
        match power {
            Power::Start => {
                let started = self.act(name, "start", 0, false).await;
                self.explain_wreck(name, started).await
            }
            Power::Stop { seconds: 0 } => self.act(name, "stop", 0, true).await,
            Power::Stop { seconds } => match self.act(name, "stop", seconds, false).await {
                Err(Error::Refused { .. }) => self.act(name, "stop", 0, true).await,
                other => other,
            },
        }
    }

    /// One change of an instance's state; being there already is a success.
    async fn act(&self, name: &str, action: &str, seconds: u32, force: bool) -> Result<()> {
        let about = about(action, name);
        // -1 waits for ever for the clean stop; a forced one waits for nothing.
        let body = json!({
            "action": action,
            "timeout": if seconds == 0 { -1 } else { i64::from(seconds) },
            "force": force,
        });
        let path = format!("{}/state", path(name));
        let done = self
            .transport
            .run(&Ask::with(Method::PUT, &path, &body), &about)
            .await;
        match done {
            // An instance that got there by itself meanwhile is refused in many words.
            Err(Error::Refused { .. }) if self.is_after(name, action).await => Ok(()),
            other => other.map(drop),
        }
    }

    /// Whether an instance is where a change of its state leads to.
    async fn is_after(&self, name: &str, action: &str) -> bool {
        let wanted = match action {
            "stop" => Status::Stopped,
            _ => Status::Running,
        };
        matches!(self.find_instance(name).await, Ok(Some(instance)) if instance.status == wanted)
    }

    /// Changes config, description and profiles. Never by PATCH: on LXD 5.0 that empties the description.
    pub(super) async fn edit_instance(&self, name: &str, edit: &ConfigEdit) -> Result<()> {
        let about = about("change", name);
        check_known(name, &about)?;
        let path = path(name);
        for race in 1..=RACES {
            let (whole, etag): (Map<String, Value>, _) = self.transport.get_tagged(&path, &about).await?;
            let body = edited(whole, edit);
            let ask = Ask {
                etag: etag.as_deref(),
                ..Ask::with(Method::PUT, &path, &body)
            };
            let reply = self.transport.send(&ask, &about).await?;
            let error = match reply.envelope.kind.as_str() {
                "sync" => return Ok(()),
                "error" => reply.envelope.error,
                _ => {
                    let id = self.transport.started(&reply, &about)?.id;
                    let ended = self.transport.wait(&id, &about).await?;
                    if ended.status_code == 200 {
                        return Ok(());
                    }
                    ended.err
                }
            };
            let raced =
                reply.status == StatusCode::PRECONDITION_FAILED || BUSY.iter().any(|b| error.contains(b));
            if !raced || race == RACES {
                return Err(about.refused(reply.envelope.error_code, &error));
            }
            // Two that collide must not go on in step.
            let jitter = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            sleep(Duration::from_millis(u64::from(
                20 * race + jitter.subsec_micros() % 50,
            )))
            .await;
        }
        Err(about.no("somebody else changes it all the time"))
    }

    /// Whether an instance is a record without a volume: what a daemon that was killed while it
    /// unpacked an image leaves behind. It reads "Stopped", cannot start and cannot be deleted.
    pub async fn is_wreck(&self, name: &str) -> Result<bool> {
        let Some(instance) = self.find_instance(name).await? else {
            return Ok(false);
        };
        if instance.status == Status::Running || !instance.last_used.is_empty() {
            return Ok(false);
        }
        match self.list_folder(name, "/").await {
            Ok(entries) => Ok(entries.is_empty()),
            Err(Error::Missing { .. } | Error::Refused { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Turns the daemon's no about a wreck into what it is and how to get rid of it.
    async fn explain_wreck(&self, name: &str, done: Result<()>) -> Result<()> {
        let Err(Error::Refused { message, .. }) = &done else {
            return done;
        };
        let hints = ["no such file", "subvolume flags", "No such file"];
        if !hints.iter().any(|hint| message.contains(hint)) || !self.is_wreck(name).await? {
            return done;
        }
        let instance = self.find_instance(name).await?.unwrap_or_default();
        let pool = instance.pool().unwrap_or("default");
        let address = self.transport.address();
        let folder = Path::new(&address).parent().unwrap_or_else(|| Path::new("/"));
        let volume = folder
            .join("storage-pools")
            .join(pool)
            .join("containers")
            .join(name);
        Err(Error::Wreck {
            name: name.to_owned(),
            repair: format!(
                "sudo rmdir {} && {} delete {name}",
                volume.display(),
                self.server.client()
            ),
        })
    }
}

/// Whether a text names an image by its SHA-256.
pub(super) fn is_fingerprint(text: &str) -> bool {
    text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// Sets a key of a JSON object.
fn insert(object: &mut Value, key: &str, value: Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}

/// The whole of an instance with a change in it, as `PUT` takes it.
fn edited(mut whole: Map<String, Value>, edit: &ConfigEdit) -> Value {
    whole.retain(|key, _| WRITABLE.contains(&key.as_str()));
    let config = whole.entry("config").or_insert_with(|| json!({}));
    if config.is_null() {
        *config = json!({});
    }
    if let Some(config) = config.as_object_mut() {
        for (key, value) in &edit.config {
            match value {
                Some(value) => config.insert(key.clone(), json!(value)),
                None => config.remove(key),
            };
        }
    }
    if let Some(description) = &edit.description {
        whole.insert("description".into(), json!(description));
    }
    if let Some(profiles) = &edit.profiles {
        whole.insert("profiles".into(), json!(profiles));
    }
    Value::Object(whole)
}
