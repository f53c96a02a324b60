//! What an image said before a container of ours was made from it. A commit writes what we told the container into the image
//! (environment, user, first process): without a note of how it was, a key that is removed from the config would stay.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, ImageInspect};
use serde::{Deserialize, Serialize};

use super::labels;

/// What of an image a container takes over where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Origin {
    env: Vec<String>,
    user: String,
    folder: String,
    entrypoint: Vec<String>,
    command: Vec<String>,
    signal: String,
}

impl Origin {
    /// What an image says now.
    fn now(image: &ImageInspect) -> Self {
        let config = image.config.clone().unwrap_or_default();
        Self {
            env: config.env.unwrap_or_default(),
            user: config.user.unwrap_or_default(),
            folder: config.working_dir.unwrap_or_default(),
            entrypoint: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
            signal: config.stop_signal.unwrap_or_default(),
        }
    }

    /// What was said by the image that the first container was made from.
    fn first(image: &ImageInspect) -> Self {
        let labels = image.config.as_ref().and_then(|config| config.labels.as_ref());
        let label = |key: &str| labels.and_then(|labels| labels.get(key));
        let kind = label(labels::KIND).map(String::as_str);
        let noted = label(labels::ORIGIN).filter(|_| matches!(kind, Some(labels::ROOT | labels::SNAPSHOT)));
        noted
            .and_then(|noted| serde_json::from_str(noted).ok())
            .unwrap_or_else(|| Self::now(image))
    }

    /// Takes out of what a container is made with whatever former ones were told; what the image said at first, for its label.
    pub(super) fn restore(image: &ImageInspect, create: &mut ContainerCreateBody) -> Self {
        let (first, now) = (Self::first(image), Self::now(image));
        let env = environment(&first.env, &now.env, create.env.as_deref().unwrap_or_default());
        if !env.is_empty() {
            create.env.get_or_insert_default().extend(env);
        }
        let or = |text: &str, default: &str| Some(if text.is_empty() { default } else { text }.to_owned());
        if create.user.is_none() && now.user != first.user {
            create.user = or(&first.user, "0");
        }
        if create.working_dir.is_none() && now.folder != first.folder {
            create.working_dir = or(&first.folder, "/");
        }
        if create.stop_signal.is_none() && now.signal != first.signal {
            create.stop_signal = or(&first.signal, "SIGTERM");
        }
        if create.entrypoint.is_none()
            && (&now.entrypoint, &now.command) != (&first.entrypoint, &first.command)
        {
            create.entrypoint = Some(first.entrypoint.clone());
            // One empty word is the engine's way to say that there is none.
            if first.entrypoint.is_empty() {
                create.entrypoint = Some(vec![String::new()]);
            }
            create.cmd = Some(first.command.clone());
        }
        first
    }
}

fn name(entry: &str) -> &str {
    entry.split_once('=').map_or(entry, |(name, _)| name)
}

/// What is to be said beside our own variables: those that former containers had are taken out, by their bare names.
fn environment(first: &[String], now: &[String], ours: &[String]) -> Vec<String> {
    let first: HashMap<&str, &String> = first.iter().map(|entry| (name(entry), entry)).collect();
    let others = now
        .iter()
        .filter(|entry| !ours.iter().any(|own| name(own) == name(entry)));
    let back = others.filter_map(|entry| match first.get(name(entry)) {
        Some(before) if *before == entry => None,
        Some(before) => Some((*before).clone()),
        None => Some(name(entry).to_owned()),
    });
    back.collect()
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerCreateBody, ImageConfig, ImageInspect};

    use super::{Origin, labels};

    fn image(env: &[&str], user: &str, labels: &[(&str, &str)]) -> ImageInspect {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        ImageInspect {
            config: Some(ImageConfig {
                env: Some(env.iter().map(|entry| (*entry).to_owned()).collect()),
                user: Some(user.to_owned()),
                cmd: Some(vec!["serve".to_owned()]),
                labels: Some(labels.collect()),
                ..ImageConfig::default()
            }),
            ..ImageInspect::default()
        }
    }

    #[test]
    fn what_a_container_was_told_is_not_what_its_image_said() {
        let mut create = ContainerCreateBody::default();
        let first = Origin::restore(&image(&["A=1", "B=2"], "", &[]), &mut create);
        assert_eq!(create, ContainerCreateBody::default(), "nothing was told yet");
        let noted = serde_json::to_string(&first).unwrap();
        let mut told = image(
            &["A=mine", "B=2", "C=3", "D=4"],
            "1000",
            &[(labels::KIND, labels::ROOT), (labels::ORIGIN, &noted)],
        );
        if let Some(config) = told.config.as_mut() {
            config.cmd = None;
            config.entrypoint = Some(vec!["keep".to_owned()]);
        }
        create.env = Some(vec!["D=5".to_owned()]);
        assert_eq!(Origin::restore(&told, &mut create), first);
        assert_eq!(create.env.unwrap(), ["D=5", "A=1", "C"]);
        assert_eq!(create.user.unwrap(), "0");
        assert_eq!(
            (create.entrypoint.unwrap(), create.cmd.unwrap()),
            (vec![String::new()], vec!["serve".to_owned()])
        );
    }

    #[test]
    fn an_image_that_is_not_ours_says_nothing_about_others() {
        let forged = image(&["A=1"], "1000", &[(labels::ORIGIN, r#"{"user":"0"}"#)]);
        let mut create = ContainerCreateBody::default();
        Origin::restore(&forged, &mut create);
        assert_eq!(create.user, None);
    }
}
