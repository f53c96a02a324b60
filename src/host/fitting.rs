//! Which builds for CUDA run on this machine, by the matrix; and why another does not, in words for the form.

use super::{
    Fact,
    detect::{Gpu, Machine},
    findings::{self, Primary},
    matrix::{
        Matrix, Wheel,
        version::{Version, at_least},
    },
};

/// The prefix of the facts that say why a build does not run here; they are empty where it does.
pub(super) const UNFIT: &str = "unfit_";

/// `unfit_NAME` for each build of the matrix, and `unfit_cuda` where none of them runs.
pub(super) fn probe(machine: &Machine, matrix: &Matrix) -> Vec<(String, Fact)> {
    let why: Vec<(String, String)> = matrix
        .wheel
        .iter()
        .map(|wheel| {
            (
                wheel.name.clone(),
                unfit(machine, matrix, wheel).unwrap_or_default(),
            )
        })
        .collect();
    let none = !why.is_empty() && why.iter().all(|(_, why)| !why.is_empty());
    // The oldest build asks for least: its reason is the one to mend.
    let least = matrix
        .wheel
        .iter()
        .min_by_key(|wheel| Version::parse(&wheel.toolkit));
    let reason = least.and_then(|wheel| why.iter().find(|(name, _)| *name == wheel.name));
    let all = reason.filter(|_| none).map(|(_, why)| why.clone());
    let line = best(machine, matrix, &why).unwrap_or_default();
    why.into_iter()
        .chain([("cuda".to_owned(), all.unwrap_or_default())])
        .map(|(name, why)| (format!("{UNFIT}{name}"), why.into()))
        .chain([("cuda_line".to_owned(), line.into())])
        .collect()
}

/// The build to take: the newest that the driver runs natively; else, by compatibility alone, the oldest.
fn best(machine: &Machine, matrix: &Matrix, why: &[(String, String)]) -> Option<String> {
    let driver = machine.nvidia.as_ref()?.version.as_deref()?;
    let fits = |wheel: &&Wheel| {
        why.iter()
            .any(|(name, why)| *name == wheel.name && why.is_empty())
    };
    let native = |wheel: &&Wheel| {
        let toolkit = matrix.toolkit(&wheel.toolkit);
        toolkit.is_some_and(|toolkit| matrix.toolkit_on(toolkit, driver) == "native")
    };
    let key = |wheel: &&Wheel| Version::parse(&wheel.toolkit);
    let fitting = || matrix.wheel.iter().filter(fits);
    let natively = fitting().filter(native).max_by_key(key);
    natively
        .or_else(|| fitting().min_by_key(key))
        .map(|wheel| wheel.name.clone())
}

/// What labs compute on where nobody says otherwise: `rocm`, `cuda`, `cpu`, or `ask` where the user has to.
pub(super) fn compute(primary: Primary) -> &'static str {
    match primary {
        Primary::Rocm => "rocm",
        Primary::Cuda => "cuda",
        Primary::Ask => "ask",
        Primary::None | Primary::Unsupported => "cpu",
    }
}

/// Why a build does not run on any card here; none where it does, and where there is no card of NVIDIA to ask about.
fn unfit(machine: &Machine, matrix: &Matrix, wheel: &Wheel) -> Option<String> {
    let cards: Vec<&Gpu> = machine.gpus.iter().filter(|gpu| gpu.vendor == "nvidia").collect();
    if cards.is_empty() && machine.nvidia.is_none() {
        return None;
    }
    let title = format!("CUDA {}", wheel.toolkit);
    let Some(driver) = machine
        .nvidia
        .as_ref()
        .and_then(|driver| driver.version.as_deref())
    else {
        return Some(format!("{title} needs NVIDIA's driver, which is not loaded"));
    };
    let toolkit = matrix.toolkit(&wheel.toolkit)?;
    if matrix.toolkit_on(toolkit, driver) == "no" {
        let needed = matrix.oldest_driver(toolkit);
        return Some(format!(
            "{title} needs NVIDIA's driver {needed} or later; this machine has {driver}"
        ));
    }
    let why = |card: &&Gpu| too_old(card, wheel).or_else(|| not_known_to(matrix, card, &wheel.toolkit));
    let wrong: Vec<String> = cards.iter().filter_map(why).collect();
    // One card that it runs on is enough.
    (!cards.is_empty() && wrong.len() == cards.len())
        .then(|| wrong.into_iter().next())
        .flatten()
        .map(|card| format!("{title} is built for {} to {}; {card}", wheel.first, wheel.last))
}

/// What a card is, where a build has no code for it.
fn too_old(card: &Gpu, wheel: &Wheel) -> Option<String> {
    let have = card.compute_cap.as_deref()?;
    let runs = at_least(have, &wheel.first) && at_least(&wheel.last, have);
    (!runs).then(|| format!("{} is {have}", card.name))
}

/// Why an image that brings this CUDA does not run on these cards; none where it does. `gated`: the engine checks what
/// the image asks of the driver before it starts, and is stricter than the driver itself.
pub(super) fn image(
    machine: &Machine,
    matrix: &Matrix,
    cards: &[&Gpu],
    cuda: &str,
    gated: bool,
) -> Option<String> {
    let title = format!("CUDA {cuda}");
    let driver = machine.nvidia.as_ref()?;
    let Some(version) = driver.version.as_deref() else {
        return Some(format!("{title} needs NVIDIA's driver, which is not loaded"));
    };
    let brings = driver.cuda.as_deref().unwrap_or("unknown");
    let own = Version::parse(cuda).map_or_else(String::new, |v| format!("{}.{}", v.major(), v.number(1)));
    let newest = driver.cuda.as_deref().is_some_and(|have| at_least(have, &own));
    let row = matrix.toolkit(cuda).or_else(|| matrix.toolkit(&own));
    match row {
        Some(row) if matrix.toolkit_on(row, version) == "no" => {
            let needed = matrix.oldest_driver(row);
            return Some(format!(
                "{title} needs NVIDIA's driver {needed} or later; this machine has {version}"
            ));
        }
        None if !newest => {
            return Some(format!(
                "{title} is not in the matrix, and driver {version} brings CUDA {brings} only"
            ));
        }
        Some(_) | None => {}
    }
    let wrong = cards.iter().find_map(|card| not_known_to(matrix, card, &own));
    if let Some(wrong) = wrong {
        return Some(format!("{title}: {wrong}"));
    }
    let gate = matrix
        .image_gate
        .iter()
        .find(|gate| gate.image == cuda)
        .or_else(|| matrix.image_gate.iter().find(|gate| starts(&gate.image, &own)));
    let passes = match gate {
        Some(gate) => findings::passes(machine, cards, gate),
        // No image that anybody captured lists GeForce with an older driver.
        None => newest || cards.iter().all(|card| card.brand.as_deref() != Some("geforce")),
    };
    (gated && !passes).then(|| {
        format!("images of {title} refuse to start: driver {version} brings CUDA {brings}, and they list it for other cards only")
    })
}

/// The CUDA of the matrix that runs on these cards and is nearest: the newest older one, else the oldest newer one.
pub(super) fn nearest(
    machine: &Machine,
    matrix: &Matrix,
    cards: &[&Gpu],
    cuda: &str,
    gated: bool,
) -> Option<String> {
    let wanted = Version::parse(cuda)?;
    let runs = |name: &&str| image(machine, matrix, cards, name, gated).is_none();
    let all = || matrix.cuda.iter().map(|row| row.toolkit.as_str()).filter(runs);
    let key = |name: &&str| Version::parse(name);
    let older = all()
        .filter(|name| key(name).is_some_and(|v| v < wanted))
        .max_by_key(key);
    older.or_else(|| all().min_by_key(key)).map(str::to_owned)
}

fn starts(image: &str, own: &str) -> bool {
    image
        .strip_prefix(own)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Why a toolkit has no code for a card.
fn not_known_to(matrix: &Matrix, card: &Gpu, cuda: &str) -> Option<String> {
    let capability = card.compute_cap.as_deref()?;
    let arch = matrix.arch_of_capability(capability)?;
    let name = &card.name;
    if let Some(first) = arch.cuda_first.as_deref().filter(|first| !at_least(cuda, first)) {
        return Some(format!(
            "{name} is {capability}, which CUDA {first} is the first to know"
        ));
    }
    let last = arch.cuda_last.as_deref().filter(|last| !at_least(last, cuda))?;
    Some(format!(
        "{name} is {capability}, which CUDA {last} was the last to know"
    ))
}
