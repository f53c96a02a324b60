//! Images that halolab built or fetched in Docker: named, and removed only where the user names them.

use crate::{
    host::made::{DOCKER_IMAGE, Ledger, Made, engine_name},
    log::sanitize,
};

use super::{
    super::{
        Code, Setup, Stop,
        table::{note, out},
    },
    UninstallArgs,
};

/// All that is written down of what halolab made.
pub(super) fn ledger(setup: &Setup) -> Result<Vec<Made>, Stop> {
    Ledger::new(&setup.paths.state).read().map_err(|error| {
        Stop::blocked(format!(
            "nothing was changed: what halolab made cannot be read ({error}), and nothing is guessed"
        ))
    })
}

/// The images that are there, of the Docker that answers; each name that is given must be one of them. Those that stay are
/// said in `keeps`.
pub(super) async fn images(
    setup: &Setup,
    args: &UninstallArgs,
    keeps: &mut Vec<String>,
) -> Result<Vec<Made>, Stop> {
    let mut found = ledger(setup)?;
    found.retain(|made| made.kind == DOCKER_IMAGE);
    found.sort();
    found.dedup();
    let mut there = vec![];
    if !found.is_empty()
        && let Ok(docker) = setup.docker().await
    {
        let server = docker.server().await?;
        let here = engine_name(&server.product, &server.address);
        for made in found {
            if made.engine.as_ref() == Some(&here) && docker.image(&made.rest).await?.is_some() {
                there.push(made);
            }
        }
    }
    let unknown = |name: &&String| !there.iter().any(|made| made.rest == **name);
    if let Some(name) = args.with_images.iter().find(unknown) {
        let names: Vec<&str> = there.iter().map(|made| made.rest.as_str()).collect();
        return Err(Stop::usage(sanitize(&format!(
            "halolab made no image {name} in the Docker that answers; it made: {}",
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        ))));
    }
    keeps.extend(kept_images(&there, args));
    Ok(there)
}

/// A sentence on those that stay.
fn kept_images(images: &[Made], args: &UninstallArgs) -> Option<String> {
    let stays = images
        .iter()
        .filter(|made| !args.with_images.contains(&made.rest));
    let names: Vec<&str> = stays.map(|made| made.rest.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "the images that halolab made in Docker, {}: name those that go too with --with-images",
            names.join(", ")
        )
    })
}

/// Removes those that were named. One that a container is made of stays, and is said.
pub(super) async fn remove_images(setup: &Setup, images: &[Made], args: &UninstallArgs) -> Result<(), Stop> {
    let named: Vec<&Made> = images
        .iter()
        .filter(|made| args.with_images.contains(&made.rest))
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    let docker = setup.docker().await.map_err(|why| Stop::new(Code::FAILED, why))?;
    for made in named {
        let name = sanitize(&made.rest);
        match docker.delete_image(&made.rest).await {
            Ok(()) | Err(crate::backend::Error::Missing { .. }) => {}
            Err(error) => {
                note(&sanitize(&format!("the image {name} stays: {error}")));
                continue;
            }
        }
        let forgotten = Ledger::new(&setup.paths.state).forget(std::slice::from_ref(made));
        forgotten.map_err(|error| Stop::new(Code::FAILED, error))?;
        if !setup.global.json {
            out(&format!("removed the image {name}"));
        }
    }
    Ok(())
}
