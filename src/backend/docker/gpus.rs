//! How the GPUs that a device asks for get in: decided by [`crate::host::docker`], out of what this machine is.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::timeout;

use super::Docker;
use crate::{
    backend::{Result, about::About},
    host::{
        Root,
        detect::{self, Machine},
        docker::{Choice, HostConfig, Kind, Passing, Surroundings, pass},
        matrix::Matrix,
    },
};

/// How long what was seen of GPUs counts.
const FRESH: Duration = Duration::from_mins(5);
/// How long a list may wait for it: a driver that hangs must not hold labs of another engine up.
const PATIENCE: Duration = Duration::from_secs(2);

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
        let mut passing = pass(&machine, &around, matrix, &Choice::of(wanted), None)
            .map_err(|unknown| about.no(unknown.to_string()))?;
        passing.unfit = unfit(&machine, &around, matrix);
        Ok(passing)
    }

    /// How all GPUs of this machine get in; none where that is not known in time. Lists are read again after each change on
    /// the engine, and GPUs are not.
    pub(super) async fn all_gpus(&self) -> Option<Passing> {
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen().clone();
        if let Some((_, passing)) = known.filter(|(since, _)| since.elapsed() < FRESH) {
            return Some(passing);
        }
        let about = About::new("say how GPUs get in", "GPUs");
        let all = ["all".to_owned()];
        let passing = timeout(PATIENCE, self.passing(&all, &about)).await.ok()?.ok()?;
        *seen() = Some((Instant::now(), passing.clone()));
        Some(passing)
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

/// Why images of each CUDA that is known do not run on this machine's NVIDIA GPUs, with the nearest one that does; none of
/// those that do, and none at all where there is no such GPU: images run there as they do without one.
fn unfit(machine: &Machine, around: &Surroundings, matrix: &Matrix) -> BTreeMap<String, String> {
    let nvidia = Choice::of(&["nvidia".to_owned()]);
    let why = |cuda: &str| {
        let image = pass(machine, around, matrix, &nvidia, Some(cuda)).ok()?.image?;
        let instead = image
            .nearest
            .map(|near| format!("; an image of CUDA {near} runs here"));
        Some(format!("{}{}", image.why?, instead.unwrap_or_default()))
    };
    let cards = machine
        .gpus
        .iter()
        .any(|gpu| gpu.vendor == "nvidia" && gpu.is_driven());
    let known = matrix.cuda.iter().filter(|_| cards);
    known
        .filter_map(|row| Some((row.toolkit.clone(), why(&row.toolkit)?)))
        .collect()
}
