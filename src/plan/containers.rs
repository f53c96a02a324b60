//! What is different for labs of Docker: the ground that they stand on, how GPUs get in, what a commit does not hold.

use std::collections::BTreeMap;

use crate::{
    backend::{Engine, docker::NOT_HELD},
    host::{Fact, docker::unfit_fact},
    stage::{BackendKind, Device, Image, ImageSource, Stage},
};

use super::{Choice, planner::Case};

/// The network of a container; its root file system needs no device.
pub(super) fn base_devices() -> BTreeMap<String, BTreeMap<String, String>> {
    let nic = [("type", "nic"), ("network", "bridge")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    BTreeMap::from([("eth0".to_owned(), nic.into())])
}

fn is_docker(case: &Case<'_>) -> bool {
    case.engine == Engine::Docker
}

fn fact<'a>(case: &'a Case<'_>, name: &str) -> &'a str {
    match case.world.facts.get(name) {
        Some(Fact::Text(text)) => text,
        _ => "",
    }
}

fn is_gpu(device: &Device) -> bool {
    device.config.get("type").is_some_and(|kind| kind == "gpu")
}

/// A GPU that no way into a container is open for: it is left out, and [`notes`] say why. One that is `required` is not:
/// the engine refuses the lab with the same words.
pub(super) fn is_closed(case: &Case<'_>, device: &Device) -> bool {
    let required = device.config.get("required").is_some_and(|value| value == "true");
    let shut = || fact(case, "docker_gpu").is_empty() || unfit(case).is_some();
    is_docker(case) && is_gpu(device) && !required && shut()
}

/// Why the CUDA of the lab's image does not run with this machine's driver; none where it does, or nobody knows which CUDA
/// it is.
fn unfit(case: &Case<'_>) -> Option<String> {
    let cuda = cuda(case)?;
    let why = fact(case, &unfit_fact(&cuda));
    (!why.is_empty()).then(|| why.to_owned())
}

/// The CUDA of the lab's image: as the image itself says, or as its name or that of its base does.
fn cuda(case: &Case<'_>) -> Option<String> {
    let image = case.image?;
    let alias = super::images::alias_of(case, image);
    let known = case
        .world
        .images
        .get(&alias)
        .and_then(|image| image.properties.get("cuda"));
    let named = || {
        let arguments = super::images::arguments(case, image);
        arguments
            .into_values()
            .chain([alias.clone()])
            .find_map(|name| cuda_of(&name))
    };
    known.cloned().or_else(named)
}

/// `12.9.1` of `nvidia/cuda:12.9.1-cudnn-devel-ubuntu24.04`.
fn cuda_of(name: &str) -> Option<String> {
    let (_, tag) = name.split_once("cuda:")?;
    let version: String = tag
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    version.contains('.').then_some(version)
}

/// How the GPUs of a lab get in, or why they do not, in sentences.
pub(super) fn notes(case: &Case<'_>, choice: &Choice) -> Vec<String> {
    let makes = matches!(
        choice,
        Choice::Create | Choice::Recreate | Choice::Update | Choice::Restore(_)
    );
    let devices = case.stage.profile.devices.values();
    let mut wanted = devices.filter(|device| is_gpu(device) && case.holds(device.when.as_ref()));
    if !is_docker(case) || !makes || wanted.next().is_none() {
        return vec![];
    }
    let required = |device: &Device| device.config.get("required").is_some_and(|value| value == "true");
    let devices = case.stage.profile.devices.values();
    let asked = devices.filter(|device| is_gpu(device) && case.holds(device.when.as_ref()));
    if let Some(why) = unfit(case) {
        let all = asked.map(required).collect::<Vec<_>>();
        let and = if all.contains(&true) {
            "it is passed in all the same, as you chose"
        } else {
            "the GPU is switched off for this lab"
        };
        return vec![format!("{} would not compute on the GPU: {why}; {and}", case.lab)];
    }
    let why = match fact(case, "docker_gpu_why") {
        "" => "no GPU of this machine is known to compute",
        why => why,
    };
    let way = match fact(case, "docker_gpu") {
        "" => {
            return vec![format!(
                "no GPU gets into {}: {why}; it is made without one",
                case.lab
            )];
        }
        "cdi" => "by the names of its CDI specification",
        "nvidia" => "by the engine's `nvidia` driver",
        _ => "by its device nodes",
    };
    vec![format!("the GPU gets into {} {way}", case.lab)]
}

/// What a snapshot of a container does not hold, as a sentence of what stays as it is.
pub(super) fn not_held(case: &Case<'_>) -> Option<String> {
    is_docker(case).then(|| format!("what a snapshot of Docker is not: a copy of everything. {NOT_HELD}"))
}

/// Whether an update makes the lab anew from a newer image: its stage has no scripts that update it in place.
pub(super) fn rebuilds(case: &Case<'_>) -> bool {
    is_docker(case) && case.stage.updates.is_empty() && case.image.is_some_and(comes)
}

/// The same of a stage, whichever of its images a lab has.
pub fn updates_by_image(stage: &Stage) -> bool {
    stage.backend == BackendKind::Docker && stage.updates.is_empty() && stage.images.iter().any(comes)
}

/// Whether there may be a newer one of an image.
fn comes(image: &Image) -> bool {
    matches!(
        image.source,
        ImageSource::Build { .. } | ImageSource::Registry { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::cuda_of;

    #[test]
    fn a_base_says_its_cuda_by_its_name() {
        let of = |name: &str| cuda_of(name).unwrap_or_default();
        assert_eq!(of("nvidia/cuda:12.9.1-cudnn-devel-ubuntu24.04"), "12.9.1");
        assert_eq!(of("registry.lan:5000/nvidia/cuda:13.0.2-base"), "13.0.2");
        for none in ["lab/debian", "ubuntu:24.04", "cuda:latest", "cuda:12"] {
            assert_eq!(of(none), "", "{none}");
        }
    }
}
