//! Whether what was built sees the GPU: `zephyr-verify` asks the libraries inside, and what it says, one line of JSON from
//! where anybody may be root, becomes a check of the lab's verdict.

use serde::Deserialize;

use crate::{
    backend::ConfigEdit,
    job::{Mirror, State},
    labs::{
        drift::Ground,
        gpus::Gpus,
        tag,
        verdict::{Check, Verdict},
    },
    log::sanitize,
    paths::write_private,
    prove::Grade,
};

use super::{Error, Lab, entry::is_build};

/// The check's name in the verdict: that of the stage which asks the same, so that one answer takes the other's place.
const STEP: &str = "ask Spack, and what was built with it, whether they work";
/// The file beside a build's status that says that it was asked.
const ASKED: &str = "verified";
/// What is said where none of them is in the environment.
pub const NOTHING_TO_ASK: &str =
    "neither PyTorch nor JAX is in the environment: there is nothing to ask about the GPU";
/// Libraries that are taken at most, and characters of what each says.
const LIBRARIES: usize = 4;
const LONGEST: usize = 240;

#[derive(Deserialize)]
struct Line {
    schema: u32,
    checks: Vec<Library>,
}

#[derive(Deserialize)]
struct Library {
    name: String,
    #[serde(default)]
    version: String,
    ok: bool,
    said: String,
}

/// What the check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// All of it works.
    pub ok: bool,
    /// A line a library.
    pub lines: Vec<String>,
}

impl Verified {
    /// Out of what `zephyr-verify --json` wrote; none where that is no line of it.
    pub fn parse(text: &str) -> Option<Self> {
        let line = text.lines().rev().find(|line| line.starts_with('{'))?;
        let line: Line = serde_json::from_str(line)
            .ok()
            .filter(|line: &Line| line.schema == 1)?;
        let short = |text: &str| sanitize(text).chars().take(LONGEST).collect::<String>();
        let said = line.checks.iter().take(LIBRARIES);
        let lines = said.map(|said| short(format!("{} {}: {}", said.name, said.version, said.said).trim()));
        Some(Self {
            ok: line.checks.iter().all(|said| said.ok),
            lines: lines.collect(),
        })
    }
}

/// Whether a job built well, and nobody asked yet whether what it built works.
pub fn is_unasked(mirror: &Mirror) -> bool {
    let built = mirror.job.argv.get(1).is_some_and(|name| is_build(name));
    built && mirror.status().state == State::Succeeded && !mirror.folder().join(ASKED).exists()
}

/// Remembers that it was asked; where that cannot be written, it is asked once more.
pub fn set_asked(mirror: &Mirror) {
    let _ = write_private(&mirror.folder().join(ASKED), b"");
}

impl Lab<'_> {
    /// Asks what was built whether it works.
    ///
    /// # Errors
    /// The lab does not say it: nothing is built yet, or something answers in its place.
    pub async fn verify(&self) -> Result<Verified, Error> {
        let (_, out, err) = self.run(&["/opt/zephyr/bin/zephyr-verify", "--json"]).await?;
        Verified::parse(&out).ok_or_else(|| Error::NotVerified {
            lab: self.instance.name.clone(),
            said: sanitize(err.lines().chain(out.lines()).last().unwrap_or("it says nothing")),
        })
    }

    /// Adds it to the lab's verdict; whoever calls holds the lab's lock. The verdict as a line.
    ///
    /// # Errors
    /// The engine does not take it.
    pub async fn record(&self, verified: &Verified) -> Result<String, Error> {
        let former = self.instance.tag("verdict").and_then(Verdict::read);
        let mut verdict = former
            .filter(|verdict| verdict.stale.is_empty())
            .unwrap_or_else(|| {
                let none =
                    Gpus::of(&self.instance.expanded_devices, &self.instance.expanded_config).is_empty();
                let ground = Ground::of(&crate::host::probe(&crate::host::folder()));
                Verdict::without_gpu(none.then_some(Grade::CpuOnly), ground.kernel.clone(), "").on(ground)
            });
        verdict.add(Check {
            step: STEP.to_owned(),
            ok: verified.ok,
            said: verified.lines.join("; "),
        });
        let edit = ConfigEdit {
            config: [(tag("verdict"), Some(verdict.stored()))].into(),
            ..ConfigEdit::default()
        };
        self.backend.edit(&self.instance.name, &edit).await?;
        Ok(verdict.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_takes_the_place_of_the_stages_own() {
        let stage = include_str!("../../stages/zephyr/stage.toml");
        assert!(stage.contains(&format!("title = \"{STEP}\"")));
    }

    #[test]
    fn what_comes_from_inside_is_bounded_and_safe() {
        let text = format!(
            "warning: x\n{{\"schema\":1,\"checks\":[{{\"name\":\"torch\",\"version\":\"2.9\\u001b[2J\",\"ok\":true,\"said\":\"{}\"}}]}}\n",
            "x".repeat(9000)
        );
        let found = Verified::parse(&text).unwrap();
        assert!(found.ok && found.lines.len() == 1);
        assert!(
            !found.lines[0].contains('\u{1b}') && found.lines[0].len() <= 300,
            "{found:?}"
        );
        for bad in [
            "",
            "{}",
            "{\"schema\":2,\"checks\":[]}",
            "{\"schema\":1,\"checks\":[{\"name\":7}]}",
        ] {
            assert_eq!(Verified::parse(bad), None, "{bad}");
        }
    }
}
