//! A part of a log that one tool wrote: apt, then pip, then ninja.

use serde::Serialize;

use super::{
    event::{Event, Tool, What},
    package::{Package, seconds},
    times::Millis,
};

/// Sections that are kept, the last ones.
const SECTIONS: usize = 200;

/// Steps whose time is remembered, for the speed.
const SAMPLES: usize = 32;

/// What one tool wrote.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// The tool.
    pub tool: Tool,
    /// Which part of the log it is, from 0.
    #[serde(skip)]
    pub(super) number: usize,
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
    /// It has begun anew since.
    closed: bool,
    step: Option<(u32, Option<u32>)>,
    count: Option<(Option<u32>, u32)>,
    #[serde(skip)]
    samples: Vec<(u32, Millis)>,
}

impl Section {
    fn new(tool: Tool, number: usize, offset: u64, started: Option<Millis>) -> Self {
        Self {
            tool,
            number,
            offset,
            end: offset,
            started,
            doing: String::new(),
            ended: false,
            closed: false,
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
                let mut done = *done;
                if let Some((before, of)) = self.step.filter(|(before, _)| done < *before) {
                    // Builds side by side print their steps a little out of order; further back ninja and make begin
                    // anew, for another target or a second pass.
                    let near = of.unwrap_or(0) / 20 + 1;
                    if of == *total && before.saturating_sub(done) <= near {
                        done = before;
                    } else {
                        self.samples.clear();
                    }
                }
                self.step = Some((done, *total));
                self.sample(done, at);
            }
            _ => {}
        }
    }

    /// The tool says that it is at its end; one that ended well has made all its steps.
    pub(super) fn end(&mut self, ok: bool) {
        self.ended = true;
        if let Some((done, Some(total))) = self.step.as_mut().filter(|_| ok) {
            *done = *total;
        }
    }

    /// Whether the tool has come further than to say what it is going to do.
    fn has_begun(&self) -> bool {
        self.ended || self.step.is_some() || self.count.is_some()
    }

    fn is_open(&self) -> bool {
        !self.ended && !self.closed
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

/// The parts of a log, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Sections {
    list: Vec<Section>,
    /// All of them, those that are not kept any more too.
    begun: usize,
}

impl Sections {
    pub(super) fn list(&self) -> &[Section] {
        &self.list
    }

    /// The section that an event belongs to; none where its tool has none.
    pub(super) fn of(&mut self, event: &Event, at: Option<Millis>) -> Option<&mut Section> {
        let same = self.list.last().is_some_and(|last| {
            let more = last.is_open() || last.tool == Tool::Spack || matches!(event.what, What::End { .. });
            last.tool == event.tool && more
        });
        if event.tool != Tool::Other && !same {
            self.push(event, at);
        }
        let section = self.list.last_mut()?;
        section.end = event.offset.saturating_add(event.length);
        (section.tool == event.tool).then_some(section)
    }

    /// A tool begins anew.
    pub(super) fn begin(&mut self, tool: Tool) {
        let last = self.list.iter_mut().rev().find(|section| section.tool == tool);
        if let Some(section) = last.filter(|section| section.has_begun()) {
            section.closed = true;
        }
    }

    /// Whether a package is one of those that the last part of the log is about.
    pub(super) fn is_current(&self, package: &Package) -> bool {
        self.list.last().is_none_or(|last| {
            // Spack tells of its packages whether they are those of before.
            package.tool == last.tool && (last.tool == Tool::Spack || package.section == last.number)
        })
    }

    /// Number of the last one.
    pub(super) fn number(&self) -> usize {
        self.list.last().map_or(0, |section| section.number)
    }

    fn push(&mut self, event: &Event, at: Option<Millis>) {
        // Where two tools write by turns each goes on with its own.
        let before = self.list.len().checked_sub(2).and_then(|at| self.list.get(at));
        let before = before.filter(|section| section.tool == event.tool && section.is_open());
        let section = if let Some(before) = before {
            Section {
                offset: event.offset,
                ..before.clone()
            }
        } else {
            self.begun += 1;
            Section::new(event.tool, self.begun, event.offset, at)
        };
        if self.list.len() >= SECTIONS {
            self.list.remove(0);
        }
        self.list.push(section);
    }
}
