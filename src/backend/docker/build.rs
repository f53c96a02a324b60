//! Images built from a folder by the engine's classic builder, step by step with its cache. Both builders of the engine
//! cancel a build when their client goes away: what takes hours is a job in a container, committed at its end
//! (`super::replace`), never a build.

use std::{collections::BTreeMap, path::PathBuf};

use bollard::{body_try_stream, models::BuildInfo, query_parameters::BuildImageOptions};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use super::{
    Docker,
    call::{SILENCE, cancelled, patient},
    import,
    proxy::Proxy,
};
use crate::backend::{Error, Progress, Result, about::About, error::fold};

/// Lines of a failing step that its error tells.
const LAST: usize = 12;
/// Letters of each of them.
const SHOWN: usize = 2000;
/// Bytes after which a line that does not end is handed on in pieces.
const LONGEST: usize = 64 << 10;

/// What to build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The folder; what its `.dockerignore` names is not sent. It is not written down.
    #[serde(skip)]
    pub context: PathBuf,
    /// The file in it that says how; empty is `Dockerfile`.
    pub dockerfile: String,
    /// The name that the image gets.
    pub alias: String,
    /// Values of `ARG`.
    pub arguments: BTreeMap<String, String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// Build up to this stage of several; empty is the last.
    pub target: String,
    /// The network of the steps: `host`, `none`; empty is the engine's choice.
    pub network: String,
    /// The proxy that its steps hear of.
    #[serde(default, skip_serializing_if = "Proxy::is_none")]
    pub proxy: Proxy,
    /// Nothing is taken from the cache.
    pub anew: bool,
}

/// What a build tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildEvent {
    /// A step begins.
    Step {
        /// From 1.
        number: u32,
        /// Of so many.
        of: u32,
        /// The line of the file, safe to show.
        text: String,
    },
    /// The step that began last was in the cache.
    Cached,
    /// What a step writes, with its colours; not sanitised.
    Output(Vec<u8>),
}

/// An image that was built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Built {
    /// SHA-256 that the engine knows it by.
    pub fingerprint: String,
    /// Steps.
    pub steps: u32,
    /// Steps that were in the cache.
    pub cached: u32,
}

impl Docker {
    /// Builds an image. The error of a step that failed names it, and tells what it wrote last.
    pub async fn build(
        &self,
        build: &Build,
        tell: &mut (dyn FnMut(BuildEvent) + Send),
        progress: &Progress,
    ) -> Result<Built> {
        let about = About::making(
            format!("build the image `{}`", build.alias),
            format!("image `{}`", build.alias),
        );
        let dockerfile = match build.dockerfile.as_str() {
            "" => "Dockerfile",
            name => name,
        };
        let file = build.context.join(dockerfile);
        std::fs::metadata(&file).map_err(|source| Error::File {
            path: fold(&file.display().to_string()),
            source,
        })?;
        let (filled, problem) = import::context(build.context.clone(), dockerfile.to_owned());
        let body = body_try_stream(filled.stream().map_ok(Into::into));
        let stream = self.api.build_image(options(build, dockerfile), None, Some(body));
        let mut stream = std::pin::pin!(stream);
        let mut reader = Reader::default();
        loop {
            let piece = tokio::select! {
                piece = patient(stream.next(), SILENCE, || self.answers(&about)) => piece?,
                () = progress.cancel.cancelled() => return Err(cancelled(&about)),
            };
            match piece {
                None => break,
                Some(Ok(told)) => reader.read(&told, tell, progress),
                Some(Err(error)) => {
                    if let Some(problem) = import::told(problem).await {
                        return Err(about.no(problem));
                    }
                    return Err(match self.said(&about, &error) {
                        Error::Refused { message, .. } => about.no(reader.failed(&message)),
                        other => other,
                    });
                }
            }
        }
        let image = self.find_image(&build.alias).await?;
        let built = reader.built(image.map(|image| image.fingerprint).unwrap_or_default());
        progress.say(format!("{} is built", build.alias), Some(100));
        Ok(built)
    }
}

fn options(build: &Build, dockerfile: &str) -> BuildImageOptions {
    let map =
        |of: &BTreeMap<String, String>| Some(of.clone().into_iter().collect()).filter(|_| !of.is_empty());
    let mut arguments = build.arguments.clone();
    arguments.extend(build.proxy.told(|name| std::env::var(name).ok()));
    BuildImageOptions {
        dockerfile: dockerfile.to_owned(),
        t: Some(build.alias.clone()),
        buildargs: map(&arguments),
        labels: map(&build.labels),
        target: build.target.clone(),
        networkmode: Some(build.network.clone()).filter(|network| !network.is_empty()),
        nocache: build.anew,
        // Without it the container of a step that failed stays.
        rm: true,
        forcerm: true,
        ..BuildImageOptions::default()
    }
}

/// Reads what the classic builder writes.
#[derive(Default)]
pub(super) struct Reader {
    /// A line that is not whole yet.
    line: String,
    steps: u32,
    of: u32,
    cached: u32,
    /// The step of now.
    step: String,
    /// Its last lines.
    last: Vec<String>,
}

impl Reader {
    pub(super) fn read(
        &mut self,
        told: &BuildInfo,
        tell: &mut (dyn FnMut(BuildEvent) + Send),
        progress: &Progress,
    ) {
        let Some(text) = &told.stream else {
            if let Some(status) = &told.status {
                progress.say(fold(status), self.percent());
            }
            return;
        };
        self.line.push_str(text);
        while let Some(end) = self.line.find('\n') {
            let rest = self.line.split_off(end + 1);
            let line = std::mem::replace(&mut self.line, rest);
            self.line(line, tell, progress);
        }
        if self.line.len() > LONGEST {
            let piece = std::mem::take(&mut self.line);
            self.line(piece, tell, progress);
        }
    }

    fn line(&mut self, line: String, tell: &mut (dyn FnMut(BuildEvent) + Send), progress: &Progress) {
        if let Some((number, of, text)) = step(&line) {
            (self.steps, self.of) = (number, of);
            let text = fold(text);
            self.step.clone_from(&text);
            self.last.clear();
            progress.say(format!("step {number}/{of}: {text}"), self.percent());
            tell(BuildEvent::Step { number, of, text });
            return;
        }
        if line.starts_with(" ---> Using cache") {
            self.cached += 1;
            return tell(BuildEvent::Cached);
        }
        // Its own words about images and containers on the way.
        let own = [" ---> ", "Removing intermediate container "];
        // What a tool colours ends in the line after it.
        let said = crate::log::sanitize(&line);
        if !own.iter().any(|words| said.starts_with(words)) && !said.trim().is_empty() {
            if self.last.len() == LAST {
                self.last.remove(0);
            }
            self.last.push(said.trim_end().chars().take(SHOWN).collect());
        }
        tell(BuildEvent::Output(line.into_bytes()));
    }

    fn percent(&self) -> Option<u8> {
        let done = u64::from(self.steps.saturating_sub(1)) * 100;
        let percent = done.checked_div(u64::from(self.of))?;
        u8::try_from(percent.min(99)).ok()
    }

    /// The engine's words about a failure, with the step and what it wrote.
    pub(super) fn failed(&self, message: &str) -> String {
        if self.step.is_empty() {
            return message.to_owned();
        }
        let said: Vec<String> = self.last.iter().map(|line| fold(line)).collect();
        let said = if said.is_empty() {
            "it wrote nothing".to_owned()
        } else {
            format!("it wrote last: {}", said.join("; "))
        };
        format!(
            "step {}/{} ({}): {message}; {said}",
            self.steps, self.of, self.step
        )
    }

    fn built(self, fingerprint: String) -> Built {
        Built {
            fingerprint,
            steps: self.steps,
            cached: self.cached,
        }
    }
}

/// Number, count and text of `Step 2/3 : RUN make`.
fn step(line: &str) -> Option<(u32, u32, &str)> {
    let (numbers, text) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let (number, of) = numbers.split_once('/')?;
    Some((number.parse().ok()?, of.parse().ok()?, text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::{BuildEvent, Progress, Reader};

    #[test]
    fn a_line_without_an_end_comes_in_pieces_and_a_step_moves_no_cursor() {
        let mut reader = Reader::default();
        let mut told = vec![];
        let text = |text: String| bollard::models::BuildInfo {
            stream: Some(text),
            ..Default::default()
        };
        let mut tell = |event| told.push(event);
        reader.read(
            &text("Step 1/1 : RUN \u{1b}[2J\n".into()),
            &mut tell,
            &Progress::default(),
        );
        for _ in 0..100 {
            reader.read(&text("x".repeat(10_000)), &mut tell, &Progress::default());
        }
        assert!(reader.line.len() <= super::LONGEST);
        assert!(told.len() > 10);
        let BuildEvent::Step { text, .. } = &told[0] else {
            panic!("{told:?}")
        };
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn steps_cache_and_the_last_words_of_a_failure_are_read_whatever_the_pieces() {
        let text = "Step 1/2 : FROM x\n ---> 123\nStep 2/2 : RUN make\n ---> Running in 9\nout\n\u{1b}[91mmake: *** [all] Error 2\n\u{1b}[0mRemoving intermediate container 9\n";
        for size in [1, 7, 1000] {
            let mut reader = Reader::default();
            let mut told = vec![];
            let letters: Vec<char> = text.chars().collect();
            for piece in letters.chunks(size) {
                let piece = bollard::models::BuildInfo {
                    stream: Some(piece.iter().collect()),
                    ..Default::default()
                };
                reader.read(&piece, &mut |event| told.push(event), &Progress::default());
            }
            let steps = told
                .iter()
                .filter(|event| matches!(event, BuildEvent::Step { .. }));
            assert_eq!(steps.count(), 2);
            let error = reader.failed("returned a non-zero code: 2");
            assert!(
                error.contains("step 2/2 (RUN make)") && error.ends_with("out; make: *** [all] Error 2"),
                "{error}"
            );
            assert!(!error.contains('\u{1b}') && !error.contains("[91m"), "{error}");
        }
    }
}
