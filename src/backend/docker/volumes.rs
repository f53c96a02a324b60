//! Volumes of ours: what a restore leaves alone and a removal of a container does not touch.

use bollard::{
    models::{Volume as Told, VolumeCreateRequest},
    query_parameters::{ListVolumesOptions, RemoveVolumeOptions},
};
use serde::Serialize;

use super::{Docker, body, call::WORK, instance::Container, labels};
use crate::backend::{
    Error, Result, Unnamed,
    about::{About, check_known, check_new},
};

/// The label of a volume that we made.
const VOLUME: &str = "volume";

/// A volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// `local`, ...
    pub driver: String,
    /// RFC 3339.
    pub created: String,
    /// Its folder on the engine's machine.
    pub folder: String,
}

impl Docker {
    /// The volumes of an instance that no device named. They outlive it, no snapshot or copy has what is in them, and only
    /// their names lead to it: whoever removes or copies the instance says them.
    pub async fn unnamed_volumes(&self, name: &str) -> Result<Vec<Unnamed>> {
        let about = super::instances::about("look at", name);
        Ok(unnamed(&self.existing(name, &about).await?))
    }

    /// The volumes that we made, by name.
    pub async fn volumes(&self) -> Result<Vec<Volume>> {
        let about = About::new("list the volumes", "list of volumes");
        let ours = format!("{}={VOLUME}", labels::KIND);
        let options = ListVolumesOptions {
            filters: Some([("label".to_owned(), vec![ours])].into()),
        };
        let told = self.call(&about, self.api.list_volumes(Some(options))).await?;
        let mut found: Vec<Volume> = told.volumes.unwrap_or_default().into_iter().map(volume).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Makes a volume; one of ours with that name is a success.
    pub async fn create_volume(&self, name: &str) -> Result<()> {
        let about = About::making(format!("make the volume `{name}`"), format!("volume `{name}`"));
        check_new(name, &about)?;
        // The engine answers with the one that is there, whosever it is.
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(body::labels(&[(labels::KIND, VOLUME)])),
            ..VolumeCreateRequest::default()
        };
        let told = self.call(&about, self.api.create_volume(request)).await?;
        if is_ours(&told) {
            Ok(())
        } else {
            Err(Error::Exists { what: about.object })
        }
    }

    /// Removes a volume of ours that no container has, with all that is in it.
    pub async fn delete_volume(&self, name: &str) -> Result<()> {
        let about = About::new(format!("remove the volume `{name}`"), format!("volume `{name}`"));
        check_known(name, &about)?;
        let told = self.call(&about, self.api.inspect_volume(name)).await?;
        if !is_ours(&told) {
            return Err(about.no("it was not made by halolab"));
        }
        let gone = self.api.remove_volume(name, None::<RemoveVolumeOptions>);
        self.call_within(WORK, &about, gone).await
    }
}

/// The volumes of a container that no device named.
pub(super) fn unnamed(container: &Container) -> Vec<Unnamed> {
    let labels = container
        .told
        .config
        .as_ref()
        .and_then(|config| config.labels.as_ref());
    let named = labels
        .and_then(|labels| labels.get(labels::NAMED))
        .filter(|_| container.ours);
    let named: Vec<String> = named
        .and_then(|named| serde_json::from_str(named).ok())
        .unwrap_or_default();
    let all = container.told.mounts.clone().unwrap_or_default().into_iter();
    let volume = |point: bollard::models::MountPoint| {
        let (name, path) = (point.name?, point.destination?);
        let is_one = point.typ.as_deref() == Some("volume") && !named.contains(&path);
        is_one.then(|| Unnamed {
            name,
            path,
            read_only: point.rw == Some(false),
        })
    };
    all.filter_map(volume).collect()
}

fn is_ours(told: &Told) -> bool {
    told.labels.get(labels::KIND).is_some_and(|kind| kind == VOLUME)
}

fn volume(told: Told) -> Volume {
    Volume {
        name: told.name,
        driver: told.driver,
        created: told.created_at.unwrap_or_default(),
        folder: told.mountpoint,
    }
}
