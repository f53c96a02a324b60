//! How the GPUs that a device asks for get in: decided by [`crate::host::docker`], out of what this machine is.

use std::sync::Arc;

use super::Docker;
use crate::{
    backend::{Result, about::About},
    host::{
        Root, detect,
        docker::{Choice, HostConfig, Kind, Surroundings, pass},
        matrix::Matrix,
    },
};

impl Docker {
    /// What the engine is told of the GPUs that are wanted, by address, identifier or maker.
    pub(super) async fn gpus(&self, wanted: &[String], about: &About) -> Result<HostConfig> {
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
        let passing = pass(&machine, &around, matrix, &Choice::of(wanted), None)
            .map_err(|unknown| about.no(unknown.to_string()))?;
        if passing.gpus.is_empty() {
            let reasons: Vec<String> = passing
                .refused
                .iter()
                .map(|refused| format!("{}: {}", refused.what, refused.why))
                .chain(passing.why.clone())
                .collect();
            return Err(about.no(format!(
                "no GPU gets into a container here: {}; `halolab detect --docker` says more",
                reasons.join("; ")
            )));
        }
        Ok(passing.host_config)
    }
}
