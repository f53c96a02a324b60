//! How the GPUs that a device asks for get in: decided by [`crate::host::docker`], out of what this machine is.

use std::sync::Arc;

use super::Docker;
use crate::{
    backend::{Result, about::About},
    host::{
        Root, detect,
        docker::{Choice, HostConfig, Kind, Passing, Surroundings, pass},
        matrix::Matrix,
    },
};

impl Docker {
    /// How the GPUs that are wanted get in, by address, identifier or maker.
    pub(super) async fn passing(&self, wanted: &[String], about: &About) -> Result<Passing> {
        if !self.is_local() {
            return Err(about.no("which GPUs an engine on another machine has is not known here"));
        }
        let info = self.call(about, self.api.info()).await?;
        let told = serde_json::to_value(info).map_err(|error| error.to_string());
        let root = Root::new(&self.machine);
        let matrix = Matrix::shipped();
        let outside = detect::outside(&root, Arc::new(detect::nvml::Library)).await;
        let machine = detect::look(&root, matrix, &outside);
        let mut around = Surroundings::read(&root, &machine, Some(&told));
        if self.engine() == "podman" {
            around.engine.kind = Kind::Podman;
        }
        pass(&machine, &around, matrix, &Choice::of(wanted), None)
            .map_err(|unknown| about.no(unknown.to_string()))
    }

    /// What the engine is told of them.
    pub(super) async fn gpus(&self, wanted: &[String], about: &About) -> Result<HostConfig> {
        let passing = self.passing(wanted, about).await?;
        if passing.gpus.is_empty() {
            return Err(about.no(format!(
                "no GPU gets into a container here: {}; `halolab detect --docker` says more",
                passing.closed()
            )));
        }
        Ok(passing.host_config)
    }
}
