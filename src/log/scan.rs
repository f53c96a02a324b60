//! Searches a whole file with threads of its own, block by block, and counts: 4 bytes of memory per 256 KiB. Whoever
//! waits for the first hit gets it before everything is counted. Dropping a scan cancels it.

mod work;

use std::{
    fs::File,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use super::{Wake, blocks::Blocks, matcher::Matcher, room::Room};
pub(super) use work::search;

/// Bytes that are searched at a time.
pub const SPAN: u64 = 256 * 1024;
/// Not searched yet.
const UNKNOWN: u32 = u32::MAX;

/// In which order the blocks are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// From here on.
    pub from: u64,
    /// Towards the end, then the rest; or towards the beginning.
    pub forward: bool,
}

impl Order {
    /// The block that is searched as the n-th.
    fn nth(self, n: u64, spans: u64) -> u64 {
        let first = (self.from / SPAN).min(spans.saturating_sub(1));
        if self.forward {
            (first + n) % spans
        } else {
            (first + spans - n % spans) % spans
        }
    }
}

/// What is known about the next hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The line that begins here.
    At(u64),
    /// There is none.
    Nowhere,
    /// Not all that lies between was searched yet.
    Unknown,
}

#[derive(Debug, Default)]
struct State {
    counts: Vec<u32>,
    hits: u64,
    known: u64,
    /// Bytes that are searched, and to be searched.
    done: u64,
    wanted: u64,
    /// The first hit in raw bytes, found before the counting.
    first: Option<u64>,
}

#[derive(Debug)]
struct Shared {
    matcher: Arc<Matcher>,
    file: Arc<File>,
    order: Order,
    state: Mutex<State>,
    more: Condvar,
    over: AtomicBool,
    /// Spans whose raw bytes were looked at for the first hit, before the counting.
    looked: AtomicU64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// A search in a file.
#[derive(Debug)]
pub struct Scan {
    shared: Arc<Shared>,
    /// Hits of the spans that were looked at lately.
    seen: Vec<(u64, u64, Vec<u64>)>,
    /// When a page last wanted it, counted in pages.
    pub(super) used: u64,
}

impl Scan {
    /// Begins to search.
    pub fn start(matcher: Arc<Matcher>, file: &Arc<File>, len: u64, order: Order, wake: &Wake) -> Self {
        let shared = Arc::new(Shared {
            matcher,
            file: Arc::clone(file),
            order,
            state: Mutex::default(),
            more: Condvar::new(),
            over: AtomicBool::new(false),
            looked: AtomicU64::new(0),
        });
        shared.lock().wanted = len;
        let (mine, wake) = (Arc::clone(&shared), Arc::clone(wake));
        // Without a thread nothing is found; the status says that it is searched for.
        let _ = thread::Builder::new()
            .name("search".into())
            .stack_size(256 * 1024)
            .spawn(move || work::run(&mine, &wake));
        Self {
            shared,
            seen: vec![],
            used: 0,
        }
    }

    /// What is searched for.
    pub fn matcher(&self) -> &Arc<Matcher> {
        &self.shared.matcher
    }

    /// The file has this size now.
    pub fn grow(&mut self, len: u64) {
        let mut state = self.shared.lock();
        if len > state.wanted {
            state.wanted = len;
            self.shared.more.notify_one();
        }
    }

    /// Lines that were found, and whether that is all of them.
    pub fn hits(&self) -> (u64, bool) {
        let state = self.shared.lock();
        (state.hits, state.done >= state.wanted)
    }

    /// Percent that was searched; of a text first the raw bytes, then all as it is seen.
    pub fn percent(&self) -> u64 {
        let state = self.shared.lock();
        let spans = state.wanted.div_ceil(SPAN);
        let (looked, passes) = if self.shared.matcher.has_text() {
            (self.shared.looked.load(Ordering::Relaxed).min(spans), 2)
        } else {
            (0, 1)
        };
        ((looked + state.known) * 100)
            .checked_div(spans * passes)
            .unwrap_or(0)
    }

    /// The first hit in raw bytes from where the search began; there may be an earlier one in the text as it is seen.
    pub fn first_raw(&self) -> Option<u64> {
        self.shared.lock().first
    }

    /// The next line that is found, from `from` on, that one included; or the last one before it.
    pub fn next(&mut self, blocks: &mut Blocks, from: u64, forward: bool) -> Next {
        let last = blocks.len().saturating_sub(1) / SPAN;
        let mut span = (from / SPAN).min(last);
        let fits = |start: &&u64| if forward { **start >= from } else { **start < from };
        loop {
            match self.count(span) {
                UNKNOWN => return Next::Unknown,
                0 => {}
                _ => {
                    let hits = self.hits_of(blocks, span);
                    let found = if forward {
                        hits.iter().find(fits)
                    } else {
                        hits.iter().rfind(fits)
                    };
                    if let Some(at) = found {
                        return Next::At(*at);
                    }
                }
            }
            // Spans without hits are passed at once.
            span = match self.next_span(span, forward) {
                Some(next) => next,
                None => return Next::Nowhere,
            };
        }
    }

    /// The number of the hit at `at`, from 1; none while hits before it are not counted.
    pub fn number_of(&mut self, blocks: &mut Blocks, at: u64) -> Option<u64> {
        let span = at / SPAN;
        let before: u64 = {
            let state = self.shared.lock();
            let counts = state.counts.get(..=usize::try_from(span).ok()?)?;
            if counts.contains(&UNKNOWN) {
                return None;
            }
            let (_, before) = counts.split_last()?;
            before.iter().map(|n| u64::from(*n)).sum()
        };
        let place = self.hits_of(blocks, span).binary_search(&at).ok()?;
        Some(before + place as u64 + 1)
    }

    fn count(&self, span: u64) -> u32 {
        let state = self.shared.lock();
        let index = usize::try_from(span).unwrap_or(usize::MAX);
        state.counts.get(index).copied().unwrap_or_else(
            || {
                if state.done >= state.wanted { 0 } else { UNKNOWN }
            },
        )
    }

    /// The next span that has hits or is unknown.
    fn next_span(&self, span: u64, forward: bool) -> Option<u64> {
        let state = self.shared.lock();
        let index = usize::try_from(span).ok()?;
        if forward {
            let rest = state.counts.get(index + 1..).unwrap_or_default();
            match rest.iter().position(|n| *n > 0) {
                Some(found) => Some(span + 1 + found as u64),
                // What the log grew by is not counted yet.
                None if state.done < state.wanted => Some((span + 1).max(state.counts.len() as u64)),
                None => None,
            }
        } else {
            let rest = state.counts.get(..index.min(state.counts.len()))?;
            rest.iter().rposition(|n| *n > 0).map(|found| found as u64)
        }
    }

    /// The hits of a span, looked for again: only their number is kept.
    fn hits_of(&mut self, blocks: &mut Blocks, span: u64) -> &[u64] {
        let len = blocks.len().min((span + 2) * SPAN);
        if let Some(at) = self.seen.iter().position(|(s, l, _)| (*s, *l) == (span, len)) {
            let entry = self.seen.remove(at);
            self.seen.push(entry);
        } else {
            let (mut bytes, mut scratch) = (Room::new(), vec![]);
            let hits = search(&self.shared.matcher, blocks, span, &mut bytes, &mut scratch);
            if self.seen.len() >= 3 {
                self.seen.remove(0);
            }
            self.seen.push((span, len, hits));
        }
        self.seen.last().map_or(&[], |(_, _, hits)| hits)
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.shared.more.notify_one();
    }
}
