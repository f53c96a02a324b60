//! What of an image only one engine can do, and what an image that is built needs.

use super::Check;
use crate::{
    document::Place,
    stage::{
        interpolate::references,
        schema::{BackendKind, ImageSource},
    },
};

impl Check<'_> {
    /// Refuses a source that the stage's engine has nothing for.
    pub(super) fn fits_engine(&mut self, place: &Place, source: &ImageSource) {
        let docker = self.stage.backend == BackendKind::Docker;
        let (key, message, hint) = match (source, docker) {
            (ImageSource::Remote { .. }, true) => (
                "remote",
                "an image server of LXD and Incus has no images for Docker",
                "take `registry = { reference = \"debian:bookworm-slim\" }`, or one that is built here",
            ),
            (ImageSource::Registry { .. }, false) => (
                "registry",
                "LXD and Incus take no images of a registry",
                "write `backend = \"docker\"`, or take `remote` or `bootstrap`",
            ),
            (ImageSource::Build { .. }, false) => (
                "build",
                "LXD and Incus build no images out of a Dockerfile",
                "write `backend = \"docker\"`, or take `bootstrap` and steps",
            ),
            (
                ImageSource::Build {
                    dockerfile,
                    arguments,
                    network,
                },
                true,
            ) => return self.build(&place.key("build"), dockerfile, arguments, network),
            _ => return,
        };
        let problem = self.document.problem_at_key(&place.key(key), message);
        self.problems.push(problem.hint(hint));
    }

    fn build(
        &mut self,
        place: &Place,
        dockerfile: &str,
        arguments: &std::collections::BTreeMap<String, String>,
        network: &str,
    ) {
        let file = if dockerfile.is_empty() {
            "Dockerfile"
        } else {
            dockerfile
        };
        if !self.stage.files.contains_key(file) {
            let at = if dockerfile.is_empty() {
                place.clone()
            } else {
                place.key("dockerfile")
            };
            let known: Vec<&str> = self.stage.files.keys().map(String::as_str).collect();
            let problem = self.document.problem(
                &at,
                format!(
                    "there is no file `{}` beside this one, which the image is built by",
                    file.escape_debug()
                ),
            );
            self.problems.push(problem.allowed(file, known));
        }
        if !matches!(network, "" | "host" | "none") {
            self.say(
                &place.key("network"),
                "must be `host`, `none`, or empty for the engine's own choice",
            );
        }
        for (name, value) in arguments {
            let at = place.key("arguments").key(name);
            let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !name.chars().all(letters) || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            {
                self.say_at_key(&at, "an `ARG` is called by letters, digits and _");
            }
            for reference in references(value) {
                if let Err(wrong) = self.reference(reference) {
                    let problem = self.document.problem_at_word(&at, &wrong.given, wrong.message);
                    self.problems.push(problem.allowed(&wrong.given, wrong.allowed));
                }
            }
        }
    }
}
