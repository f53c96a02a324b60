//! A part of a log that one tool wrote: apt, then pip, then ninja.

use serde::Serialize;

use super::{
    event::{Tool, What},
    package::seconds,
    times::Millis,
};

/// Steps whose time is remembered, for the speed.
const SAMPLES: usize = 32;

/// What one tool wrote.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// The tool.
    pub tool: Tool,
    /// First byte in the log.
    pub offset: u64,
    /// End of its last line that tells of progress.
    pub end: u64,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Millis>,
    /// What it does now, in its words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub doing: String,
    /// The tool says that it is done.
    pub ended: bool,
    step: Option<(u32, Option<u32>)>,
    count: Option<(Option<u32>, u32)>,
    #[serde(skip)]
    samples: Vec<(u32, Millis)>,
}

impl Section {
    pub(super) fn new(tool: Tool, offset: u64, started: Option<Millis>) -> Self {
        Self {
            tool,
            offset,
            end: offset,
            started,
            doing: String::new(),
            ended: false,
            step: None,
            count: None,
            samples: vec![],
        }
    }

    pub(super) fn take(&mut self, what: &What, at: Option<Millis>) {
        match what {
            What::Doing { text } => self.doing.clone_from(text),
            What::Count { done, total } => {
                let before = self.count.and_then(|(done, _)| done);
                self.count = Some((done.or(before), *total));
            }
            What::Step { done, total, text } => {
                self.doing.clone_from(text);
                // ninja and make begin anew, for another target or a second pass.
                if self.step.is_some_and(|(before, _)| *done < before) {
                    self.samples.clear();
                }
                self.step = Some((*done, *total));
                self.sample(*done, at);
            }
            _ => {}
        }
    }

    /// Steps that are done, and all of them.
    pub(super) fn step(&self) -> (u32, Option<u32>) {
        match (self.step, self.count) {
            (Some(step), _) => step,
            (None, Some((done, total))) => (done.unwrap_or(0), Some(total)),
            (None, None) => (0, None),
        }
    }

    /// What it says of its packages.
    pub(super) fn count(&self) -> (Option<u32>, Option<u32>) {
        match self.count {
            Some((done, total)) => (done, Some(total)),
            None => (None, None),
        }
    }

    /// Seconds that are left by the speed so far and by the speed of late: the lower and the higher.
    pub(super) fn left(&self) -> Option<(f64, f64)> {
        let (done, total) = self.step?;
        let left = f64::from(total?.saturating_sub(done));
        let speed = |from: Option<&(u32, Millis)>| {
            let ((first, began), (last, now)) = (from?, self.samples.last()?);
            let steps = f64::from(last.saturating_sub(*first));
            let time = seconds(*began, *now);
            (steps >= 3.0 && time >= 1.0).then(|| time / steps)
        };
        let whole = speed(self.samples.first())?;
        let late = speed(self.samples.get(self.samples.len() / 2)).unwrap_or(whole);
        Some((left * whole.min(late), left * whole.max(late)))
    }

    fn sample(&mut self, done: u32, at: Option<Millis>) {
        let Some(at) = at else { return };
        if self.samples.last().is_some_and(|(before, _)| *before == done) {
            return;
        }
        if self.samples.len() >= SAMPLES {
            // Every other one stays: the first and the last parts of the way are both known.
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.samples.push((done, at));
    }
}
