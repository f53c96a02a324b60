//! What is different for labs of Docker: the ground that they stand on, how GPUs get in, what a commit does not hold.

use std::collections::BTreeMap;

use crate::{
    backend::{
        Engine, Profile,
        docker::{IMAGE_CUDA, NOT_HELD},
    },
    host::{Fact, docker::unfit_fact},
    stage::{BackendKind, Device, Image, ImageSource, Stage},
};

use super::{
    Action, Choice, Step, Track,
    planner::{Case, HOST, former_answers},
    words::Words,
};

/// The network of a container; its root file system needs no device.
pub(super) fn base_devices() -> BTreeMap<String, BTreeMap<String, String>> {
    let nic = [("type", "nic"), ("network", "bridge")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    BTreeMap::from([("eth0".to_owned(), nic.into())])
}

/// Networks that the engine has by itself.
const ENGINES_OWN: [&str; 3] = ["bridge", "host", "none"];

/// The bridge that a lab's own network device names, where it is not there yet.
pub(super) fn bridge(case: &Case<'_>, profile: &Profile) -> Option<Action> {
    let networks = profile.devices.values().filter(|device| is_of(device, "nic"));
    let mut named = networks.filter_map(|device| device.get("network"));
    let there = |name: &String| case.world.networks.iter().any(|network| network.name == *name);
    let name = named.find(|name| is_docker(case) && !there(name) && !ENGINES_OWN.contains(&name.as_str()))?;
    let words = Words {
        lab: HOST,
        ..case.words()
    };
    Some(words.action(
        &format!("docker-bridge-{name}"),
        format!("make the bridge {name}"),
        format!("{} network create {name}", case.server.client()),
        Step::CreateNetwork { name: name.clone() },
    ))
}

fn is_of(device: &BTreeMap<String, String>, kind: &str) -> bool {
    device.get("type").is_some_and(|found| found == kind)
}

/// Of a profile only what two instances can have at once: a replacement is built and proven beside its lab, which holds
/// the ports of this machine and writes to the engine's volumes meanwhile.
pub(super) fn beside(case: &Case<'_>, mut profile: Profile) -> Profile {
    let alone = |device: &BTreeMap<String, String>| {
        is_of(device, "proxy")
            || (is_of(device, "disk")
                && device.get("pool").is_some()
                && device.get("path").is_some_and(|path| path != "/"))
    };
    profile
        .devices
        .retain(|_, device| !is_docker(case) || !alone(device));
    profile
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
    let facts = &case.world.facts;
    let mut names = super::bases::bases(case.stage, image, &case.answers, facts);
    // The image of the lab that is there says it too, as long as it is built on the same.
    let former = former_answers(case.whole, case.lab);
    let same = !former.is_empty() && super::bases::bases(case.stage, image, &former, facts) == names;
    let there = case.world.instance(case.lab).filter(|_| same);
    let there = there.and_then(|there| there.expanded_config.get(IMAGE_CUDA));
    names.insert(0, super::images::alias_of(case, image));
    let told = names
        .iter()
        .filter_map(|name| case.world.images.get(name)?.properties.get("cuda"));
    let mut told = told.chain(there).cloned();
    let named = || names.iter().find_map(|name| cuda_of(name));
    told.next().or_else(named)
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
        Choice::Create | Choice::Recreate | Choice::Update | Choice::Restore(_) | Choice::Renew
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

/// What becomes of the volumes that an image asked for: no snapshot and no copy has what is in them.
pub(super) fn unnamed(case: &Case<'_>, choice: &Choice, track: &mut Track) {
    let found = case.world.instance(case.lab);
    for volume in found.into_iter().flat_map(|instance| &instance.unnamed) {
        let (what, lab) = (volume.title(), case.lab);
        let swaps = matches!(
            choice,
            Choice::Recreate | Choice::RecreateFromClean | Choice::BringBack(_) | Choice::SetAside
        ) || (*choice == Choice::Update && rebuilds(case));
        match choice {
            Choice::Remove => track.keeps.push(format!(
                "{what}: an image asked for it, and it outlives {lab}; `docker volume rm {}` removes it with what is in it",
                crate::log::sanitize(&volume.name)
            )),
            _ if swaps => track.loses.push(format!(
                "what is in {what}: neither the kept {lab} nor the one in its place has it. The volume stays on this machine, and \
                 only its name leads to it; copy out what you need, or give the stage a [[mount]] for it"
            )),
            Choice::Restore(_) | Choice::Renew | Choice::Update => track.keeps.push(format!(
                "what is in {what} as it is now: an image asked for it, and no snapshot holds it"
            )),
            Choice::RestoreAs(_, copy) => track.notes.push(format!(
                "{} begins without what is in {what}: an image asked for it, and no snapshot holds it",
                crate::log::sanitize(copy)
            )),
            _ => {}
        }
    }
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
        ImageSource::Build { .. } | ImageSource::Registry { .. } | ImageSource::Local { .. }
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
