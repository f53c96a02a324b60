//! Instances: list, make, copy, start, stop, change, remove.

use std::{collections::HashMap, pin::Pin};

use super::{
    Docker,
    instance::{Claim, Container, DEFAULT, IDENTITY, Kept},
    labels,
    record::Kind,
};
use crate::backend::{
    ConfigEdit, Error, Instance, InstanceSpec, InstanceState, Profile, Progress, Result, Status,
    about::{About, check_known, check_new},
    error::fold,
};
use bollard::{
    models::{ContainerInspectResponse, ImageInspect},
    query_parameters::{InspectContainerOptions, ListContainersOptions, StatsOptions},
};
use futures_util::{StreamExt as _, stream};

/// How many containers are looked at at a time.
const AT_ONCE: usize = 8;
/// How often a change is made anew on what somebody else wrote meanwhile.
pub(super) const RACES: u32 = 8;

/// An answer about a container that may not be there, and whether it is ours. It is 3 KB: it stays on the heap.
type Told<'a> =
    Pin<Box<dyn Future<Output = Result<Option<(Box<ContainerInspectResponse>, bool)>>> + Send + 'a>>;

/// "to {verb} an instance", for errors.
pub(super) fn about(verb: &str, name: &str) -> About {
    About::new(format!("{verb} `{name}`"), format!("instance `{name}`"))
}

/// The same for a call that makes it.
pub(super) fn making(what: &str, name: &str) -> About {
    About::making(what, format!("instance `{name}`"))
}

/// Now, with all nine digits, so that text sorts by age.
pub(super) fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S%.9fZ")
        .to_string()
}

impl Docker {
    /// All containers under their names; what is half-way between two counts once, see [`Self::stand_in`].
    pub(super) async fn list_instances(&self) -> Result<Vec<Instance>> {
        let about = About::new("list the instances", "list of containers");
        let all = self.containers(&about).await?;
        let profiles = self.all_profiles().await?;
        let has = |name: &str| {
            let beside = name.contains('.');
            all.iter()
                .any(|other| other.name == name && (other.ours || !beside))
        };
        let told = all.iter().filter_map(|container| {
            let name = if container.ours {
                stands_for(&container.name, &has)?
            } else {
                container.name.as_str()
            };
            Some(container.instance(name, &profiles))
        });
        Ok(told.collect())
    }

    /// All containers with their records.
    pub(super) async fn containers(&self, about: &About) -> Result<Vec<Container>> {
        let options = ListContainersOptions {
            all: true,
            ..ListContainersOptions::default()
        };
        let listed = self.call(about, self.api.list_containers(Some(options))).await?;
        let mut records: HashMap<String, Kept> = self.records(Kind::Config).await?;
        let ids: Vec<String> = listed.into_iter().filter_map(|container| container.id).collect();
        // The list does not say when a container was started last.
        let mut looks = Vec::with_capacity(ids.len());
        for id in &ids {
            looks.push(self.inspect(id, about));
        }
        let told: Vec<_> = stream::iter(looks).buffered(AT_ONCE).collect().await;
        let mut found = vec![];
        for told in told {
            // One that went meanwhile is not there.
            let Some((told, ours)) = told? else { continue };
            let record = told.id.as_ref().and_then(|id| records.remove(id));
            found.push(Container::new(told, ours, record));
        }
        Ok(found)
    }

    /// The engine's answer about a container.
    fn inspect<'a>(&'a self, name: &'a str, about: &'a About) -> Told<'a> {
        Box::pin(async move {
            let look = self.api.inspect_container(name, None::<InspectContainerOptions>);
            let Some(told) = self.find(about, look).await?.map(Box::new) else {
                return Ok(None);
            };
            let ours = match Claim::of(&told) {
                Claim::None => false,
                Claim::Annotated => true,
                // The engine keeps no annotations, or the labels are the image's.
                Claim::Labelled => {
                    let image = told.image.clone().unwrap_or_default();
                    let image = self.find(about, self.api.inspect_image(&image)).await?;
                    image.is_some_and(|image| !is_forged(&image))
                }
            };
            Ok(Some((told, ours)))
        })
    }

    /// One container by its very name: the engine would take the beginning of an identifier, too.
    pub(super) async fn container(&self, name: &str) -> Result<Option<Container>> {
        let about = about("look at", name);
        let Some((told, ours)) = self.inspect(name, &about).await? else {
            return Ok(None);
        };
        if told.name.as_deref().unwrap_or_default().trim_start_matches('/') != name {
            return Ok(None);
        }
        let id = told.id.clone().unwrap_or_default();
        let record = Box::pin(self.record::<Kept>(Kind::Config, &id)).await?;
        Ok(Some(Container::new(
            told,
            ours,
            record.map(|record| record.content),
        )))
    }

    /// The container that is this instance now: the one of its name; between the two renames of a replacement the new
    /// one, or the old one.
    pub(super) async fn stand_in(&self, name: &str) -> Result<Option<Container>> {
        if let Some(found) = self.container(name).await? {
            return Ok(Some(found));
        }
        let Some(old) = self.ours(&labels::old(name)).await? else {
            return Ok(None);
        };
        let new = self.ours(&labels::new(name)).await?;
        // The renames may have been done between the two looks.
        let now = self.container(name).await?;
        Ok(Some(
            now.or_else(|| new.filter(|new| new.uuid == old.uuid))
                .unwrap_or(old),
        ))
    }

    /// The same of an instance that must be there.
    pub(super) async fn existing(&self, name: &str, about: &About) -> Result<Container> {
        check_known(name, about)?;
        self.stand_in(name).await?.ok_or_else(|| Error::Missing {
            what: format!("instance `{}`", fold(name)),
        })
    }

    /// One instance.
    pub(super) async fn find_instance(&self, name: &str) -> Result<Option<Instance>> {
        check_known(name, &about("look at", name))?;
        let Some(container) = self.stand_in(name).await? else {
            return Ok(None);
        };
        let profiles = self.profiles_of(&container.kept).await?;
        Ok(Some(container.instance(name, &profiles)))
    }

    /// Live facts.
    pub(super) async fn read_state(&self, name: &str) -> Result<InstanceState> {
        let about = about("look at", name);
        let container = self.existing(name, &about).await?;
        let networks = container
            .told
            .network_settings
            .as_ref()
            .and_then(|all| all.networks.clone());
        let mut addresses: Vec<String> = vec![];
        for network in networks.unwrap_or_default().into_values() {
            addresses.extend(network.ip_address);
            addresses.extend(network.global_ipv6_address);
        }
        addresses.retain(|address| !address.is_empty());
        addresses.sort_by_key(|address| (address.contains(':'), address.clone()));
        let mut state = InstanceState {
            addresses,
            ..InstanceState::default()
        };
        if container.status != Status::Running {
            return Ok(state);
        }
        let options = StatsOptions {
            stream: false,
            one_shot: true,
        };
        let mut stats = std::pin::pin!(self.api.stats(&container.id, Some(options)));
        let told = self
            .call(&about, async { stats.next().await.transpose() })
            .await?;
        if let Some(told) = told {
            state.memory = super::events::used(told.memory_stats.unwrap_or_default());
            let processes = told.pids_stats.and_then(|pids| pids.current).unwrap_or_default();
            state.processes = i64::try_from(processes).unwrap_or(i64::MAX);
            let spent = told.cpu_stats.and_then(|stats| stats.cpu_usage);
            state.processor = spent.and_then(|spent| spent.total_usage).unwrap_or_default();
        }
        Ok(state)
    }

    /// Makes an instance, stopped.
    pub(super) async fn create_instance(&self, spec: &InstanceSpec, progress: &Progress) -> Result<()> {
        let what = format!("make `{}` from image `{}`", spec.name, spec.image);
        let about = making(&what, &spec.name);
        check_new(&spec.name, &about)?;
        Box::pin(self.settle(&spec.name)).await?;
        self.must_be_free(&spec.name).await?;
        let Some(image) = self
            .find(&about_image(&spec.image), self.api.inspect_image(&spec.image))
            .await?
        else {
            return Err(about.no(format!(
                "there is no image `{}` here; `docker pull` it, or import it",
                spec.image
            )));
        };
        if is_forged(&image) {
            return Err(about.no(format!(
                "the image `{}` says that it is an instance of halolab itself, as after `docker commit` of one: take a \
                 snapshot of that one and copy it instead",
                spec.image
            )));
        }
        let kept = Kept {
            config: without_volatile(&spec.config),
            description: spec.description.clone(),
            profiles: if spec.profiles.is_empty() {
                vec![DEFAULT.to_owned()]
            } else {
                spec.profiles.clone()
            },
            devices: spec.devices.clone(),
        };
        progress.say(format!("making {}", spec.name), None);
        let uuid = labels::uuid();
        let plan = super::replace::Plan {
            name: &spec.name,
            image: &image.id.unwrap_or_default(),
            uuid: &uuid,
            created: &now(),
            kept: &kept,
        };
        let id = Box::pin(self.make_beside(&plan, &[], &about)).await?;
        self.take_name(&id, &spec.name, &about).await
    }

    /// The name is not taken.
    pub(super) async fn must_be_free(&self, name: &str) -> Result<()> {
        match self.container(name).await? {
            Some(_) => Err(Error::Exists {
                what: format!("instance `{name}`"),
            }),
            None => Ok(()),
        }
    }

    /// Renames a stopped instance; its snapshots and its config know it by its identity and stay as they are.
    pub(super) async fn rename_instance(&self, from: &str, to: &str) -> Result<()> {
        let about = About::new(format!("rename `{from}` to `{to}`"), format!("instance `{from}`"));
        check_known(from, &about)?;
        check_new(to, &about)?;
        Box::pin(self.settle(from)).await?;
        let container = self.existing(from, &about).await?;
        if container.runs() {
            return Err(about.no(format!("it runs; stop it with `halolab stop {from}`")));
        }
        Box::pin(self.settle(to)).await?;
        self.must_be_free(to).await?;
        match self.rename_container(&container.id, to, &about).await {
            Err(Error::Exists { .. }) => Err(Error::Exists {
                what: format!("instance `{to}`"),
            }),
            done => done,
        }
    }

    /// Gives a container another name.
    pub(super) async fn rename_container(&self, id: &str, to: &str, about: &About) -> Result<()> {
        let options = bollard::query_parameters::RenameContainerOptions { name: to.to_owned() };
        self.call(about, self.api.rename_container(id, options)).await
    }

    /// Changes config, description and profiles.
    pub(super) async fn edit_instance(&self, name: &str, edit: &ConfigEdit) -> Result<()> {
        let about = about("change", name);
        for _ in 0..RACES {
            let container = self.existing(name, &about).await?;
            let record = self.record::<Kept>(Kind::Config, &container.id).await?;
            let mut kept = match &record {
                Some(record) => record.content.clone(),
                None => container.kept.clone(),
            };
            for (key, value) in edit.config.iter().filter(|(key, _)| *key != IDENTITY) {
                match value {
                    Some(value) => kept.config.insert(key.clone(), value.clone()),
                    None => kept.config.remove(key),
                };
            }
            if let Some(description) = &edit.description {
                kept.description.clone_from(description);
            }
            if let Some(profiles) = &edit.profiles {
                kept.profiles.clone_from(profiles);
            }
            let read = record.as_ref().map(|record| record.image.as_str());
            if self
                .write_record(Kind::Config, &container.id, &kept, read)
                .await?
            {
                return Ok(());
            }
        }
        Err(about.no("somebody else changes it all the time"))
    }

    /// The profiles that an instance has.
    pub(super) async fn profiles_of(&self, kept: &Kept) -> Result<HashMap<String, Profile>> {
        let mut found = HashMap::new();
        for name in &kept.profiles {
            if let Some(profile) = self.find_profile(name).await? {
                found.insert(name.clone(), profile);
            }
        }
        Ok(found)
    }
}

/// Whom a container of this name stands for; none for one that is beside another.
fn stands_for<'a>(name: &'a str, has: &dyn Fn(&str) -> bool) -> Option<&'a str> {
    if let Some(of) = name.strip_suffix(".new") {
        return (!has(of) && has(&labels::old(of))).then_some(of);
    }
    if let Some(of) = name.strip_suffix(".old") {
        return (!has(of) && !has(&labels::new(of))).then_some(of);
    }
    name.strip_suffix(labels::GONE).is_none().then_some(name)
}

/// Whether an image says what only a container may say: whatever is started from it would take over another one's identity,
/// config and devices.
fn is_forged(image: &ImageInspect) -> bool {
    let labels = image.config.as_ref().and_then(|config| config.labels.as_ref());
    labels
        .and_then(|labels| labels.get(labels::KIND))
        .map(String::as_str)
        == Some(labels::INSTANCE)
}

/// "to look at an image", for errors.
pub(super) fn about_image(name: &str) -> About {
    About::new(format!("look at the image `{name}`"), format!("image `{name}`"))
}

/// Config without what the engine's side decides.
pub(super) fn without_volatile(config: &super::instance::Map) -> super::instance::Map {
    let kept = config.iter().filter(|(key, _)| !key.starts_with("volatile."));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::stands_for;

    #[test]
    fn of_a_replacement_that_is_half_way_exactly_one_container_is_the_instance() {
        let told = |names: &[&str]| -> Vec<(String, String)> {
            let has = |name: &str| names.contains(&name);
            let stands = |name: &&str| Some(((*name).to_owned(), stands_for(name, &has)?.to_owned()));
            names.iter().filter_map(stands).collect()
        };
        let one = |name: &str| vec![(name.to_owned(), "lab".to_owned())];
        assert_eq!(told(&["lab"]), one("lab"));
        assert_eq!(told(&["lab", "lab.new"]), one("lab"));
        assert_eq!(told(&["lab.old", "lab.new"]), one("lab.new"));
        assert_eq!(told(&["lab", "lab.old"]), one("lab"));
        assert_eq!(told(&["lab.old"]), one("lab.old"));
        assert_eq!(told(&["lab.new"]), vec![], "a copy that was never finished");
        assert_eq!(told(&["lab.gone"]), vec![]);
    }
}
