//! Searches a whole file with threads of its own, block by block, and counts: 4 bytes of memory per 256 KiB. Whoever
//! waits for the first hit gets it before everything is counted. Dropping a scan cancels it.

use std::{
    fs::File,
    ops::ControlFlow,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Wake,
    blocks::{BLOCK, Blocks, within},
    lines::Lines,
    matcher::Matcher,
};

/// Bytes that are searched at a time.
pub const SPAN: u64 = 256 * 1024;
/// What a line that began in a span is read on for.
const TAIL: u64 = 4 * 1024;
/// Whoever watches is told of counts this often.
const TELL: Duration = Duration::from_millis(100);
/// More threads than this only wait for memory.
const THREADS: usize = 4;
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
        });
        shared.lock().wanted = len;
        let (mine, wake) = (Arc::clone(&shared), Arc::clone(wake));
        // Without a thread nothing is found; the status says that it is searched for.
        let _ = thread::Builder::new()
            .name("search".into())
            .stack_size(256 * 1024)
            .spawn(move || run(&mine, &wake));
        Self { shared, seen: vec![] }
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

    /// Percent that was searched.
    pub fn percent(&self) -> u64 {
        let state = self.shared.lock();
        (state.known * 100)
            .checked_div(state.counts.len() as u64)
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
                None if state.counts.is_empty() && state.done < state.wanted => Some(span),
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
            let (mut bytes, mut scratch) = (vec![], vec![]);
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

fn run(shared: &Shared, wake: &Wake) {
    let mut again = None;
    if shared.matcher.has_text() {
        let len = shared.lock().wanted;
        first_raw(shared, len);
        wake();
    }
    loop {
        let (from, len) = {
            let mut state = shared.lock();
            while !shared.is_over() && state.done >= state.wanted {
                state = shared.more.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            (state.done, state.wanted)
        };
        if shared.is_over() {
            return;
        }
        // The last line may have gone on: the span that it began in is searched again.
        let first = again.unwrap_or(from / SPAN);
        let spans = len.div_ceil(SPAN);
        {
            let mut state = shared.lock();
            state.counts.resize(usize::try_from(spans).unwrap_or(0), UNKNOWN);
        }
        let order = if first == 0 {
            shared.order
        } else {
            Order {
                from: first * SPAN,
                forward: true,
            }
        };
        let todo = spans - first;
        let told = Mutex::new(Instant::now());
        in_parallel(shared, len, todo, |blocks, n, bytes, scratch| {
            let span = order.nth(n, spans);
            let hits = search(&shared.matcher, blocks, span, bytes, scratch);
            take(shared, span, &hits);
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.elapsed() >= TELL {
                *told = Instant::now();
                wake();
            }
            ControlFlow::Continue(())
        });
        let mut blocks = Blocks::new(Arc::clone(&shared.file), len);
        again = Some(Lines::new(&mut blocks, false).last() / SPAN);
        shared.lock().done = len;
        wake();
    }
}

fn take(shared: &Shared, span: u64, hits: &[u64]) {
    let mut state = shared.lock();
    let count = u32::try_from(hits.len()).unwrap_or(UNKNOWN - 1);
    let Some(slot) = state.counts.get_mut(usize::try_from(span).unwrap_or(usize::MAX)) else {
        return;
    };
    let before = std::mem::replace(slot, count);
    if before == UNKNOWN {
        state.known += 1;
    } else {
        state.hits -= u64::from(before);
    }
    state.hits += u64::from(count);
}

/// Does a numbered work with several threads; no number is begun after one said that it is enough.
fn in_parallel(
    shared: &Shared,
    len: u64,
    count: u64,
    work: impl Fn(&mut Blocks, u64, &mut Vec<u8>, &mut Vec<u8>) -> ControlFlow<()> + Sync,
) {
    let next = AtomicU64::new(0);
    let enough = AtomicBool::new(false);
    let one = || {
        let mut blocks = Blocks::new(Arc::clone(&shared.file), len);
        let (mut bytes, mut scratch) = (vec![], vec![]);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count || shared.is_over() || enough.load(Ordering::Relaxed) {
                return;
            }
            if work(&mut blocks, number, &mut bytes, &mut scratch).is_break() {
                enough.store(true, Ordering::Relaxed);
            }
        }
    };
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS);
    if count < 4 || threads == 1 {
        return one();
    }
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(one);
        }
        one();
    });
}

/// The first place from the beginning of the search on where the raw bytes hold the text.
fn first_raw(shared: &Shared, len: u64) {
    let order = shared.order;
    let first = (order.from / SPAN).min(len / SPAN);
    let count = if order.forward {
        len.div_ceil(SPAN) - first
    } else {
        first + 1
    };
    let best = AtomicU64::new(u64::MAX);
    in_parallel(shared, len, count, |blocks, n, bytes, _| {
        if best.load(Ordering::Relaxed) < n {
            return ControlFlow::Break(());
        }
        let span = if order.forward { first + n } else { first - n };
        let start = if n == 0 && order.forward {
            order.from
        } else {
            span * SPAN
        };
        let end = if n == 0 && !order.forward {
            order.from
        } else {
            (span + 1) * SPAN + TAIL
        };
        bytes.clear();
        blocks.read_into(start, end.saturating_sub(start), bytes);
        if shared.matcher.first_raw(bytes).is_some() {
            best.fetch_min(n, Ordering::Relaxed);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    let n = best.load(Ordering::Relaxed);
    if n == u64::MAX || shared.is_over() {
        return;
    }
    let span = if order.forward { first + n } else { first - n };
    let mut blocks = Blocks::new(Arc::clone(&shared.file), len);
    let hits = search(&shared.matcher, &mut blocks, span, &mut vec![], &mut vec![]);
    let hit = if order.forward {
        hits.into_iter().find(|h| *h >= order.from)
    } else {
        hits.into_iter().rfind(|h| *h < order.from)
    };
    shared.lock().first = hit;
}

/// Where the lines begin that are found in a span: those that begin in it, however far they go on.
pub(super) fn search(
    matcher: &Matcher,
    blocks: &mut Blocks,
    span: u64,
    bytes: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
) -> Vec<u64> {
    let start = span * SPAN;
    let end = (start + SPAN).min(blocks.len());
    bytes.clear();
    blocks.read_into(start, end.saturating_sub(start), bytes);
    // What the last line says after the end of the span.
    let mut more = end;
    while more < blocks.len() && more < end + BLOCK && bytes.last() != Some(&b'\n') {
        let from = bytes.len();
        blocks.read_into(more, TAIL, bytes);
        match memchr::memchr(b'\n', bytes.get(from..).unwrap_or_default()) {
            Some(at) => bytes.truncate(from + at + 1),
            None if bytes.len() == from => break,
            None => more += TAIL,
        }
    }
    let found = matcher.lines(bytes, scratch);
    let mut starts = vec![];
    for line in found {
        let at = start + line.start as u64;
        // The first line may have begun before the span; a long one is cut.
        let long = (line.end - line.start) as u64 > BLOCK;
        if long {
            let mut from = line.start;
            while from < line.end {
                let place = start + from as u64;
                let begin = Lines::new(blocks, false).start_of(place);
                let stop = Lines::new(blocks, false).end_of(begin);
                let to = within(stop, start).min(line.end).max(from + 1);
                // A text that a cut goes through belongs to the part where it begins.
                let upto = (to + 256).min(line.end);
                let part = bytes.get(from..upto).unwrap_or_default();
                // What began shortly before the span was found in the one before.
                let mine = begin >= start || start - begin > BLOCK;
                if mine
                    && begin < end
                    && !matcher.lines(part, scratch).is_empty()
                    && starts.last() != Some(&begin)
                {
                    starts.push(begin);
                }
                from = to;
            }
        } else if line.start == 0 && span > 0 {
            let begin = Lines::new(blocks, false).start_of(at);
            if begin == at {
                starts.push(at);
            }
        } else if at < end {
            starts.push(at);
        }
    }
    starts.dedup();
    starts
}
