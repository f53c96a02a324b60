//! A log of any size, a page at a time. The file is the truth: nothing of it is kept but what is shown, and counts.
//!
//! [`Document::turn`] reads a few blocks with pread and never waits for the threads that count and search; what they
//! do not know yet is unknown on the page, and they wake whoever shows it.

mod go;
mod layout;
pub mod save;
mod walk;

use std::{
    fs::File,
    path::Path,
    sync::{Arc, OnceLock},
};

use go::place;
use layout::Layout;
use walk::Walk;

use super::{
    Wake,
    blocks::Blocks,
    index::Index,
    matcher::{Matcher, Query},
    page::{Ask, Clock, Hits, Landing, Leap, Motion, Page},
    rules::{Level, Rules},
    scan::{Next, Order, Scan},
    source::{Change, OpenError, Source},
    times::{self, Times},
};

/// Searches that are kept: those of two panes, with their filters and levels.
const SCANS: usize = 6;
/// Pages after which a search that no pane wanted meanwhile is cancelled.
const FORGOTTEN: u64 = 8;
/// Columns that the times take.
const GUTTER: usize = 13;

/// What a search is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Aim {
    Query(Query),
    Problem(Level),
}

/// The rules, once they are loaded.
pub type SharedRules = Arc<OnceLock<Arc<Rules>>>;

/// A log that is open.
pub struct Document {
    source: Source,
    blocks: Blocks,
    index: Option<Index>,
    scans: Vec<(Aim, Scan)>,
    times: Times,
    rules: SharedRules,
    wake: Wake,
    note: Option<String>,
    /// The note is of what happened once, and was shown: whoever goes on has seen it.
    seen: Option<bool>,
    generation: u64,
    /// Pages that were read.
    turns: u64,
    /// The file that had its name before, until somebody takes it.
    former: Option<Arc<File>>,
}

impl Document {
    /// Opens a log; `-` is the standard input. `wake` is called by threads when there is more to show.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path, rules: &SharedRules, wake: &Wake) -> Result<Self, OpenError> {
        Ok(Self::of(Source::open(path, wake)?, rules, wake))
    }

    fn of(source: Source, rules: &SharedRules, wake: &Wake) -> Self {
        Self {
            blocks: Blocks::new(Arc::clone(source.handle()), source.len()),
            times: Times::of(source.path(), source.handle()),
            index: None,
            scans: vec![],
            rules: Arc::clone(rules),
            wake: Arc::clone(wake),
            note: None,
            seen: None,
            generation: 0,
            turns: 0,
            former: None,
            source,
        }
    }

    /// The log that had its name until the last look: what is in it stays to be read, and what its writer still adds.
    pub fn take_former(&mut self) -> Option<Self> {
        let file = self.former.take()?;
        let until = jiff::Zoned::now().strftime("%H:%M:%S");
        let source = Source::former(format!("{} before {until}", self.name()), file);
        (!source.is_empty()).then(|| Self::of(source, &self.rules, &self.wake))
    }

    /// Its name, safe to draw.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// Its bytes, for others who read them.
    pub fn handle(&self) -> &Arc<File> {
        self.source.handle()
    }

    /// The file to watch, where it is one.
    pub fn path(&self) -> Option<&Path> {
        self.source.path()
    }

    /// Its size as of the last look.
    pub fn len(&self) -> u64 {
        self.blocks.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// What of it is not as it was written, where that is known: a broken archive.
    pub fn flaw(&self) -> Option<String> {
        self.source.is_complete().then(|| self.source.note()).flatten()
    }

    /// How often it was begun anew.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Looks what became of the file; says whether anything did.
    pub fn look(&mut self) -> bool {
        let before = self.blocks.len();
        let file = Arc::clone(self.source.handle());
        let change = self.source.look();
        match change {
            Change::None => return false,
            Change::Grown => {
                self.times.arrived(before, times::now());
                self.grow();
            }
            Change::Cut => self.begin_anew("was cut: this is its new beginning"),
            Change::Replaced => {
                self.begin_anew("was replaced: the new file; the one before: :n");
                self.former = Some(file);
            }
            Change::Gone => {
                self.note = Some("no file has this name any more".into());
                self.seen = None;
            }
            Change::Back => self.note = None,
        }
        self.times.judge(self.source.handle());
        true
    }

    fn grow(&mut self) {
        let len = self.source.len();
        self.blocks.set_len(len);
        if let Some(index) = &self.index {
            index.grow(len);
        }
        for (_, scan) in &mut self.scans {
            scan.grow(len);
        }
    }

    fn begin_anew(&mut self, note: &str) {
        self.generation += 1;
        (self.note, self.seen) = (Some(note.to_owned()), Some(false));
        self.blocks = Blocks::new(Arc::clone(self.source.handle()), self.source.len());
        self.times.forget_arrivals();
        self.scans.clear();
        if self.index.take().is_some() {
            self.count();
        }
    }

    /// Begins to count lines: after the first page was drawn.
    pub fn count(&mut self) {
        if self.index.is_none() {
            self.index = Some(Index::start(self.source.handle(), self.blocks.len(), &self.wake));
        }
    }

    /// Goes where it is asked to, and reads the page there.
    pub fn turn(&mut self, ask: &Ask) -> Page {
        let gutter = if ask.clock == Clock::Hidden { 0 } else { GUTTER };
        self.prepare(ask);
        let found = self.find(ask);
        let aim = ask
            .filter
            .as_ref()
            .map(|f| (Aim::Query(f.query.clone()), f.context));
        let matcher = ask
            .search
            .as_ref()
            .and_then(|q| self.scan(&Aim::Query(q.clone())));
        let matcher = matcher.map(|scan| Arc::clone(scan.matcher()));
        let mut layout = Layout {
            ask,
            left: ask.left,
            columns: ask.columns.saturating_sub(gutter).max(1),
            matcher,
            rules: self.rules.get().cloned(),
            since: if ask.clock == Clock::Relative {
                self.began()
            } else {
                None
            },
            times: &self.times,
        };
        let filter = aim.and_then(|(aim, context)| {
            let scan = self.scans.iter_mut().find(|(a, _)| *a == aim);
            scan.map(|(_, scan)| (scan, context))
        });
        let mut walk = Walk {
            blocks: &mut self.blocks,
            states: ask.states,
            filter,
            unknown: false,
        };
        let mut page = place(&mut layout, &mut walk, ask, found);
        page.gutter = gutter;
        self.tell(ask, &mut page);
        page
    }

    /// Begins the searches that the page needs.
    fn prepare(&mut self, ask: &Ask) {
        self.turns += 1;
        if self.seen == Some(true) && ask.motion != Motion::Stay {
            (self.note, self.seen) = (None, None);
        }
        let turns = self.turns;
        self.scans
            .retain(|(_, s)| turns - s.used < FORGOTTEN || s.hits().1);
        let from = ask.spot.offset;
        let forward = Order { from, forward: true };
        if let Some(query) = &ask.search {
            let order = match ask.motion {
                Motion::Hit(leap) => Order {
                    from: leap.from,
                    forward: leap.forward,
                },
                _ => forward,
            };
            self.want(Aim::Query(query.clone()), order);
        }
        if let Motion::Problem(level, leap) = ask.motion {
            let order = Order {
                from: leap.from,
                forward: leap.forward,
            };
            self.want(Aim::Problem(level), order);
        }
        if let Some(filter) = &ask.filter {
            let backward = Order {
                from: self.blocks.len(),
                forward: false,
            };
            let at_end = ask.follow || ask.motion == Motion::End;
            self.want(
                Aim::Query(filter.query.clone()),
                if at_end { backward } else { forward },
            );
        }
    }

    fn want(&mut self, aim: Aim, order: Order) {
        if let Some(at) = self.scans.iter().position(|(a, _)| *a == aim) {
            let mut kept = self.scans.remove(at);
            kept.1.used = self.turns;
            self.scans.push(kept);
            return;
        }
        let matcher = match &aim {
            Aim::Query(query) => Matcher::new(query),
            Aim::Problem(level) => match self.rules.get() {
                Some(rules) => Matcher::problem(rules, *level),
                // Those of the user are still being read.
                None => Matcher::problem(&Rules::load(&[]).0, *level),
            },
        };
        if self.scans.len() >= SCANS {
            self.scans.remove(0);
        }
        let mut scan = Scan::start(
            Arc::new(matcher),
            self.source.handle(),
            self.blocks.len(),
            order,
            &self.wake,
        );
        scan.used = self.turns;
        self.scans.push((aim, scan));
    }

    fn scan(&mut self, aim: &Aim) -> Option<&mut Scan> {
        let found = self.scans.iter_mut().find(|(a, _)| a == aim);
        found.map(|(_, scan)| scan)
    }

    /// Where a motion leads that asks for more than lines up and down.
    fn find(&mut self, ask: &Ask) -> Landing {
        let uncounted = |found: Option<u64>| found.map_or(Landing::Uncounted, Landing::Found);
        match ask.motion {
            Motion::Line(number) => {
                self.count();
                let index = self.index.as_ref();
                uncounted(index.and_then(|i| i.offset_of(number.saturating_sub(1))))
            }
            Motion::Time(at) => self.times.reach(at, &mut self.blocks),
            Motion::Ago(ago) => self.times.reach_ago(ago, &mut self.blocks),
            Motion::Clock(clock, from) => self.times.reach_clock(clock, from, &mut self.blocks),
            Motion::Hit(leap) => match &ask.search {
                Some(query) => self.leap(&Aim::Query(query.clone()), leap),
                None => Landing::None,
            },
            Motion::Problem(level, leap) => self.leap(&Aim::Problem(level), leap),
            Motion::Percent(percent) => {
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a share of a size: a byte more or less is the same line"
                )]
                let at = (self.blocks.len() as f64 * percent.clamp(0.0, 100.0) / 100.0) as u64;
                Landing::Found(at)
            }
            Motion::Offset(at) => Landing::Found(at),
            _ => Landing::None,
        }
    }

    fn leap(&mut self, aim: &Aim, leap: Leap) -> Landing {
        let found = self.scans.iter_mut().find(|(a, _)| a == aim);
        let Some((_, scan)) = found else {
            return Landing::None;
        };
        match scan.next(&mut self.blocks, leap.from, leap.forward) {
            Next::At(at) => Landing::Found(at),
            Next::Nowhere => Landing::Nowhere,
            Next::Unknown => {
                let first = scan.first_raw().or(leap.shown);
                let fits = |at: &u64| (*at >= leap.from) == leap.forward;
                first.filter(fits).map_or(Landing::Pending, Landing::Perhaps)
            }
        }
    }

    /// When the log began, as far as it tells.
    fn began(&mut self) -> Option<i64> {
        let head = self.blocks.bytes(0, 80);
        self.times.of_line(0, &String::from_utf8_lossy(&head))
    }

    /// What is known about the page: numbers, counts, notes.
    fn tell(&mut self, ask: &Ask, page: &mut Page) {
        page.len = self.blocks.len();
        if let Some(index) = &self.index {
            let (breaks, counted) = index.counted();
            page.line = index.breaks_before(page.spot.offset).map(|n| n + 1);
            let ends = self.blocks.bytes(page.len.saturating_sub(1), page.len) == b"\n";
            let all = breaks + u64::from(!ends && page.len > 0);
            page.lines = (counted >= page.len).then_some(all);
            let grows = !ask.follow && !self.source.is_archive();
            if let Some(left) = ask.left_at.filter(|_| grows) {
                let before = index.breaks_before(left.min(page.len));
                page.new_lines = before.map_or(0, |before| breaks.saturating_sub(before));
            }
        }
        let hits = |scan: &Scan| {
            let (total, done) = scan.hits();
            let percent = scan.percent();
            Hits { total, done, percent }
        };
        let at = match page.landing {
            Landing::Found(at) | Landing::Perhaps(at) => Some(at),
            _ => page.number.map(|(_, at)| at),
        };
        if let Some(query) = &ask.search {
            let aim = Aim::Query(query.clone());
            if let Some((_, scan)) = self.scans.iter_mut().find(|(a, _)| *a == aim) {
                page.hits = Some(hits(scan));
                let leapt = matches!(ask.motion, Motion::Hit(_));
                if let Some(at) = at.filter(|_| leapt) {
                    page.number = scan.number_of(&mut self.blocks, at).map(|n| (n, at));
                }
            }
        }
        if let Some(filter) = &ask.filter {
            let scan = self.scan(&Aim::Query(filter.query.clone()));
            page.filtered = scan.map(|s| hits(s));
        }
        let fault = self.blocks.fault();
        let fault = fault.map(|e| format!("a part cannot be read: {}", super::sanitize(&e.to_string())));
        let note = self.source.note().filter(|n| !n.is_empty());
        page.note = fault.or(note).or_else(|| self.note.clone());
        self.seen = self.seen.map(|_| true);
    }

    /// The raw bytes of some lines: from the one that begins at `from` to the one at `to`, that one included.
    pub fn bytes(&mut self, from: u64, to: u64, most: u64) -> Vec<u8> {
        let end = super::lines::Lines::new(&mut self.blocks, false).end_of(to);
        let mut out = vec![];
        self.blocks
            .read_into(from, end.saturating_sub(from).min(most), &mut out);
        out
    }

    /// The number of a hit that is shown, once it is known.
    pub fn number(&mut self, query: &Query, at: u64) -> Option<u64> {
        let aim = Aim::Query(query.clone());
        let (_, scan) = self.scans.iter_mut().find(|(a, _)| *a == aim)?;
        scan.number_of(&mut self.blocks, at)
    }

    /// What a save needs, to be done by another thread.
    pub fn saving(&self, filter: Option<(&Query, usize)>) -> save::Saving {
        save::Saving::new(
            Arc::clone(self.source.handle()),
            self.blocks.len(),
            filter.map(|(query, context)| (Matcher::new(query), context)),
        )
    }
}
