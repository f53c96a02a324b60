//! Volumes of ours: what a restore leaves alone and a removal of a container does not touch.

use bollard::{
    models::{Volume as Told, VolumeCreateRequest},
    query_parameters::{ListVolumesOptions, RemoveVolumeOptions},
};
use serde::Serialize;

use super::{Docker, body, call::WORK, labels};
use crate::backend::{
    Error, Result,
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
