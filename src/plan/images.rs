//! Images: where they come from, and the alias that labs share.

use std::{collections::BTreeMap, path::PathBuf};

use sha2::{Digest as _, Sha256};

use crate::{
    backend::{Engine, RemoteImage, docker::Build, types::short_fingerprint},
    host::{Facts, reach},
    stage::{
        Answer, Answers, Catalog, Image, ImageSource,
        answers::{IMAGE_FILE, resolve},
        interpolate::interpolate,
    },
};

use super::{
    Action, Step,
    bases::bases,
    planner::{Case, PlanError},
    words::Words,
};

/// The local alias of an image: the same source has the same alias, so that labs share it.
pub fn alias(image: &Image, answers: &Answers) -> String {
    let file = match answers.get(IMAGE_FILE) {
        Some(Answer::Text(file)) => file.as_str(),
        _ => "",
    };
    let source = match &image.source {
        ImageSource::Local { alias } => return alias.clone(),
        ImageSource::File {} => format!("file {file}"),
        source => serde_json::to_string(source).unwrap_or_default(),
    };
    named(image, &source)
}

fn named(image: &Image, source: &str) -> String {
    let hash = hex::encode(Sha256::digest(source.as_bytes()));
    format!("halolab/{}-{}", image.id, hash.get(..8).unwrap_or_default())
}

/// The alias of a lab's image. One that is built here is another one with each text of its stage and each value that its
/// build is given.
pub(super) fn alias_of(case: &Case<'_>, image: &Image) -> String {
    match &image.source {
        ImageSource::Build { .. } => {
            let made = (
                &image.source,
                &case.stage.id,
                &case.stage.files,
                arguments(case, image),
            );
            named(image, &serde_json::to_string(&made).unwrap_or_default())
        }
        _ => alias(image, &case.answers),
    }
}

/// The values of the `ARG`s of a build.
pub(super) fn arguments(case: &Case<'_>, image: &Image) -> BTreeMap<String, String> {
    let ImageSource::Build { arguments, .. } = &image.source else {
        return BTreeMap::new();
    };
    let filled = |text: &String| interpolate(text, &case.answers, &case.world.facts);
    let all = arguments.iter().map(|(name, text)| (name.clone(), filled(text)));
    all.filter(|(_, value)| !value.is_empty()).collect()
}

/// What builds a lab's image out of its stage's folder; none for an image that comes from elsewhere. In the lab's own
/// track: its words are in the lab's log.
pub(super) fn build(case: &Case<'_>, image: &Image, anew: bool) -> Option<Action> {
    let ImageSource::Build {
        dockerfile, network, ..
    } = &image.source
    else {
        return None;
    };
    let (words, alias, arguments) = (case.words(), alias_of(case, image), arguments(case, image));
    let file = match dockerfile.as_str() {
        "" => "Dockerfile",
        name => name,
    };
    let given = arguments
        .iter()
        .map(|(name, value)| format!(" --build-arg {name}={value}"));
    let given = given.collect::<Vec<_>>().concat();
    let command = format!(
        "{} build --tag {alias} --file {file}{given}{} .  # in the folder of the stage",
        words.client,
        if anew { " --no-cache" } else { "" }
    );
    let labels = [
        ("io.halolab.stage", case.stage.id.clone()),
        ("io.halolab.version", case.stage.version.to_string()),
        ("io.halolab.text", case.stage.sha256()),
    ];
    let build = Build {
        alias,
        dockerfile: file.to_owned(),
        arguments,
        labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
        network: network.clone(),
        anew,
        ..Build::default()
    };
    let how = if anew {
        "each step anew"
    } else {
        "what was built before is taken from the cache"
    };
    Some(Action {
        seconds: 120,
        ..words.action(
            "build",
            format!("build the image {} out of the stage's {file}; {how}", image.title),
            command,
            Step::BuildImage {
                build,
                files: case.stage.files.clone(),
            },
        )
    })
}

/// What brings an image here; none where it is here already.
pub(super) fn action(
    case: &Case<'_>,
    image: &Image,
    refresh: bool,
    words: &Words<'_>,
) -> Result<Option<Action>, PlanError> {
    let alias = alias(image, &case.answers);
    let found = case.world.images.get(&alias);
    let here = found.is_some_and(|found| is_pinned(image, &found.fingerprint));
    if here && !refresh {
        return Ok(None);
    }
    // What has the name here is another image.
    let refresh = refresh || found.is_some();
    // Two engines may fetch the same.
    let prefix = match case.engine {
        Engine::Lxd => "image",
        Engine::Docker => "docker-image",
    };
    let id = format!("{prefix}-{}", alias.rsplit('/').next().unwrap_or(&alias));
    let made = match &image.source {
        ImageSource::Local { .. } if here => return Ok(None),
        ImageSource::Local { alias } => return Err(not_here(case, image, alias)),
        // In the lab's own track.
        ImageSource::Build { .. } => return Ok(None),
        ImageSource::Remote { .. } | ImageSource::Registry { .. } => fetch(case, image, alias, refresh)?,
        ImageSource::Bootstrap { .. } => bootstrap(case, image, alias, refresh),
        ImageSource::File {} => import(case, image, alias)?,
    };
    let (seconds, sentence, command, step) = made;
    Ok(Some(Action {
        seconds,
        ..words.action(&id, sentence, command, step)
    }))
}

/// Seconds, sentence, command and step of an action.
type Made = (u32, String, String, Step);

/// From an image server or a registry.
fn fetch(case: &Case<'_>, image: &Image, alias: String, refresh: bool) -> Result<Made, PlanError> {
    let (client, only) = (case.server.client(), only(image));
    let (source, certificate, sentence, command) = match &image.source {
        ImageSource::Remote {
            remote,
            alias: wanted,
        } => {
            let (source, certificate) = remote_image(case, remote, wanted)?;
            let sentence = format!("fetch the image {} from {}{only}", image.title, source.server);
            let command = format!("{client} image copy {remote}:{wanted} local: --alias {alias}");
            (source, certificate, sentence, command)
        }
        ImageSource::Registry { reference } => {
            let source = RemoteImage {
                alias: reference.clone(),
                fingerprints: image.fingerprint.clone().into_iter().collect(),
                ..RemoteImage::default()
            };
            let sentence = format!("fetch the image {} as {reference}{only}", image.title);
            let command = format!("{client} pull {reference} && {client} tag {reference} {alias}");
            (source, None, sentence, command)
        }
        _ => return Err(not_here(case, image, &alias)),
    };
    let step = Step::PullImage {
        source,
        alias,
        certificate,
        refresh,
    };
    Ok((90, sentence, command, step))
}

fn bootstrap(case: &Case<'_>, image: &Image, alias: String, refresh: bool) -> Made {
    let (distribution, suite, packages) = match &image.source {
        ImageSource::Bootstrap {
            distribution,
            suite,
            packages,
        } => (distribution.clone(), suite.clone(), packages.clone()),
        _ => Default::default(),
    };
    let import = match case.engine {
        Engine::Lxd => "image import",
        Engine::Docker => "import",
    };
    let command = format!(
        "mmdebstrap --variant=minbase {suite} && {} {import}",
        case.server.client()
    );
    let sentence = format!("build the image {} here from package sources", image.title);
    let step = Step::Bootstrap {
        distribution,
        suite,
        packages,
        alias,
        refresh,
    };
    (120, sentence, command, step)
}

fn import(case: &Case<'_>, image: &Image, alias: String) -> Result<Made, PlanError> {
    let (file, client) = (image_file(case)?, case.server.client());
    let sentence = format!("import the image file {}{}", file.display(), only(image));
    let command = match case.engine {
        Engine::Lxd => format!("{client} image import {} --alias {alias}", file.display()),
        Engine::Docker => format!("{client} import {} {alias}", file.display()),
    };
    let step = Step::ImportImage {
        file,
        alias,
        fingerprint: image.fingerprint.clone(),
    };
    Ok((15, sentence, command, step))
}

/// Why an image that the daemon should have cannot be taken.
fn not_here(case: &Case<'_>, image: &Image, alias: &str) -> PlanError {
    match case.world.images.get(alias) {
        None => PlanError::NoImage(alias.to_owned(), case.lab.into()),
        Some(found) => PlanError::Fingerprint {
            lab: case.lab.into(),
            image: alias.to_owned(),
            found: found.fingerprint.clone(),
            pinned: image.fingerprint.clone().unwrap_or_default(),
        },
    }
}

/// Whether a stage takes an image of this fingerprint.
fn is_pinned(image: &Image, found: &str) -> bool {
    image.fingerprint.as_ref().is_none_or(|pinned| pinned == found)
}

/// What of a source is taken, where the stage says it.
fn only(image: &Image) -> String {
    let pinned = image.fingerprint.as_deref();
    pinned.map_or_else(String::new, |pinned| {
        format!(" (only fingerprint {})", short_fingerprint(pinned))
    })
}

/// An image as the plan names it: with its fingerprint, where it is here and known.
pub(super) fn title(case: &Case<'_>, image: &Image) -> String {
    let found = case.world.images.get(&alias_of(case, image));
    match found.map(|found| found.fingerprint.as_str()) {
        Some(found) if !found.is_empty() && is_pinned(image, found) => {
            format!("{} ({})", image.title, short_fingerprint(found))
        }
        _ => image.title.clone(),
    }
}

fn image_file(case: &Case<'_>) -> Result<PathBuf, PlanError> {
    match case.answers.get(IMAGE_FILE) {
        Some(Answer::Text(file)) if !file.is_empty() => Ok(PathBuf::from(file)),
        _ => Err(PlanError::Blocked(format!(
            "{}: no image file given; add `--set {}.image_file=PATH`",
            case.lab, case.lab
        ))),
    }
}

fn remote_image(
    case: &Case<'_>,
    remote: &str,
    alias: &str,
) -> Result<(RemoteImage, Option<PathBuf>), PlanError> {
    if reach::is_silent(&case.world.facts, remote) {
        return Err(PlanError::Unreachable {
            image: case.image.map_or(alias, |i| i.id.as_str()).to_owned(),
            remote: remote.to_owned(),
            lab: case.lab.into(),
        });
    }
    let config = &case.world.config;
    let known = || config.remotes.keys().cloned().collect::<Vec<_>>().join(", ");
    let found = config.remotes.get(remote).ok_or_else(|| {
        PlanError::Blocked(format!(
            "no image server is called `{remote}` in config.toml; there are: {}",
            known()
        ))
    })?;
    let url = if case.server.product == "incus" {
        &found.incus
    } else {
        &found.lxd
    };
    let server = url.clone().ok_or_else(|| {
        PlanError::Blocked(format!(
            "the image server `{remote}` does not serve {}; choose an image that is built here, or set `[remotes.{remote}]` in config.toml",
            case.server.title()
        ))
    })?;
    let source = RemoteImage {
        server,
        alias: alias.to_owned(),
        fingerprints: case
            .image
            .and_then(|image| image.fingerprint.clone())
            .into_iter()
            .collect(),
        ..RemoteImage::default()
    };
    Ok((source, found.certificate.clone()))
}

/// The aliases of all images that a plan of these stages may ask for, so that the world can say which are here; of those
/// that are built here, what they stand on: it says which CUDA it has.
pub fn aliases(catalog: &Catalog, answers: &[&Answers]) -> Vec<String> {
    let none = Answers::new();
    let mut all = vec![];
    for (stage, image) in catalog.iter().flat_map(|s| s.images.iter().map(move |i| (s, i))) {
        match image.source {
            ImageSource::File {} => all.extend(answers.iter().map(|a| alias(image, a))),
            ImageSource::Build { .. } => {
                for given in answers.iter().copied().chain([&none]) {
                    let given = resolve(stage, given, &Facts::new());
                    let given = given.as_ref().unwrap_or(&none);
                    all.extend(bases(stage, image, given, &Facts::new()));
                }
            }
            _ => all.push(alias(image, &none)),
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}
