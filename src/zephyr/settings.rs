//! What the answers of a lab say of its builds: for which GPUs, how slim, and which build caches.

use crate::{
    spack::{Mirror, MirrorError, Wish},
    stage::{Answer, Answers},
};

/// Where the folder of a build cache is inside a lab.
pub const CACHE_FOLDER: &str = "/opt/zephyr_mirror";

/// Compute capabilities that the stage lists for stores that several machines use: those of the cards that people have.
pub const LISTED: &[&str] = &["6.1", "7.0", "7.5", "8.0", "8.6", "8.9", "9.0"];

/// How a lab builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For which GPUs.
    pub wish: Wish,
    /// Without LLVM and MKL.
    pub slim: bool,
    /// Build caches.
    pub mirrors: Vec<Mirror>,
}

impl Settings {
    /// Out of the answers that a lab was made with; one of a lab of before is what the option's default is.
    ///
    /// # Errors
    /// An address is none of a build cache.
    pub fn of(answers: &Answers) -> Result<Self, MirrorError> {
        let text = |key: &str| match answers.get(key) {
            Some(Answer::Text(text)) => text.trim(),
            _ => "",
        };
        let yes = |key: &str| answers.get(key) == Some(&Answer::Bool(true));
        let wish = match text("cuda_arch") {
            "" | "detected" => Wish::Detected,
            "all" => Wish::Everything,
            list => {
                let words = list.split(|c: char| c == ',' || c.is_whitespace());
                Wish::These(words.filter(|w| !w.is_empty()).map(str::to_owned).collect())
            }
        };
        let push = yes("cache_push");
        let mut mirrors = vec![];
        if !text("cache_folder").is_empty() {
            mirrors.push(Mirror::new("folder", &format!("file://{CACHE_FOLDER}"), push)?);
        }
        if !text("cache_registry").is_empty() {
            mirrors.push(Mirror::new("registry", text("cache_registry"), push)?);
        }
        Ok(Self {
            wish,
            slim: yes("slim"),
            mirrors,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(pairs: &[(&str, &str)]) -> Answers {
        let one = |(key, value): &(&str, &str)| {
            let answer = match *value {
                "yes" => Answer::Bool(true),
                text => Answer::Text(text.to_owned()),
            };
            ((*key).to_owned(), answer)
        };
        pairs.iter().map(one).collect()
    }

    #[test]
    fn answers_say_for_which_gpus_and_from_which_caches() {
        let none = Settings::of(&Answers::new()).unwrap();
        assert_eq!(
            (none.wish, none.slim, none.mirrors.len()),
            (Wish::Detected, false, 0)
        );
        let given = answers(&[
            ("cuda_arch", "8.9, 90"),
            ("slim", "yes"),
            ("cache_folder", "/srv/cache"),
            ("cache_registry", "oci://registry.lan/zephyr"),
            ("cache_push", "yes"),
        ]);
        let found = Settings::of(&given).unwrap();
        assert_eq!(found.wish, Wish::These(vec!["8.9".into(), "90".into()]));
        let urls: Vec<&str> = found.mirrors.iter().map(|m| m.url.as_str()).collect();
        assert_eq!(urls, ["file:///opt/zephyr_mirror", "oci://registry.lan/zephyr"]);
        assert!(found.slim && found.mirrors.iter().all(|m| m.push));
        let wrong = Settings::of(&answers(&[("cache_registry", "http://plain")]));
        assert!(wrong.is_err_and(|e| e.to_string().contains("oci://")));
    }
}
