//! Images: where they come from, and the alias that labs share.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::{
    backend::{RemoteImage, types::short_fingerprint},
    host::reach,
    stage::{Answer, Answers, Catalog, Image, ImageSource, answers::IMAGE_FILE},
};

use super::{
    Action, Step,
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
    let hash = hex::encode(Sha256::digest(source.as_bytes()));
    format!("halolab/{}-{}", image.id, hash.get(..8).unwrap_or_default())
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
    let id = format!("image-{}", alias.rsplit('/').next().unwrap_or(&alias));
    let client = words.client;
    let (seconds, sentence, command, step) = match &image.source {
        ImageSource::Local { .. } if here => return Ok(None),
        ImageSource::Local { alias } => return Err(not_here(case, image, alias)),
        ImageSource::Remote {
            remote,
            alias: wanted,
        } => {
            let (source, certificate) = remote_image(case, remote, wanted)?;
            let only = only(image);
            let sentence = format!("fetch the image {} from {}{only}", image.title, source.server);
            let command = format!("{client} image copy {remote}:{wanted} local: --alias {alias}");
            let step = Step::PullImage {
                source,
                alias,
                certificate,
                refresh,
            };
            (90, sentence, command, step)
        }
        ImageSource::Bootstrap {
            distribution,
            suite,
            packages,
        } => {
            let sentence = format!("build the image {} here from package sources", image.title);
            let command = format!("mmdebstrap --variant=minbase {suite} && {client} image import");
            let step = Step::Bootstrap {
                distribution: distribution.clone(),
                suite: suite.clone(),
                packages: packages.clone(),
                alias,
                refresh,
            };
            (120, sentence, command, step)
        }
        ImageSource::File {} => {
            let file = image_file(case)?;
            let sentence = format!("import the image file {}{}", file.display(), only(image));
            let command = format!("{client} image import {} --alias {alias}", file.display());
            let step = Step::ImportImage {
                file,
                alias,
                fingerprint: image.fingerprint.clone(),
            };
            (15, sentence, command, step)
        }
    };
    Ok(Some(Action {
        seconds,
        ..words.action(&id, sentence, command, step)
    }))
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
    let found = case.world.images.get(&alias(image, &case.answers));
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

/// The aliases of all images that a plan of these stages may ask for, so that the world can say which are here.
pub fn aliases(catalog: &Catalog, answers: &[&Answers]) -> Vec<String> {
    let none = Answers::new();
    let mut all = vec![];
    for image in catalog.iter().flat_map(|s| &s.images) {
        match image.source {
            ImageSource::File {} => all.extend(answers.iter().map(|a| alias(image, a))),
            _ => all.push(alias(image, &none)),
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}
