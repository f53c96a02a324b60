//! The work of a search: blocks handed out to threads, first the raw bytes for the first hit, then all of them as
//! they are seen.

use std::{
    ops::{ControlFlow, Range},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Order, SPAN, Shared, UNKNOWN};
use crate::log::{
    Wake,
    blocks::{BLOCK, Blocks, within},
    lines::Lines,
    matcher::Matcher,
    room::Room,
};

/// What a line that began in a span is read on for.
const TAIL: u64 = 4 * 1024;
/// Whoever watches is told of counts this often.
const TELL: Duration = Duration::from_millis(100);
/// Bytes beyond a cut that are looked at for a text that it goes through.
const ACROSS: usize = 256;
/// More threads than this only wait for memory.
const THREADS: usize = 4;

pub(super) fn run(shared: &Shared, wake: &Wake) {
    let mut again = None;
    if shared.matcher.has_text() {
        let len = shared.lock().wanted;
        first_raw(shared, len, &Teller::new(wake));
        // It may have come to an end early.
        shared.looked.store(u64::MAX, Ordering::Relaxed);
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
        let teller = Teller::new(wake);
        in_parallel(shared, len, todo, |blocks, n, bytes, scratch| {
            let span = order.nth(n, spans);
            let hits = search(&shared.matcher, blocks, span, bytes, scratch);
            take(shared, span, &hits);
            teller.tick();
            ControlFlow::Continue(())
        });
        let mut blocks = Blocks::new(Arc::clone(&shared.file), len);
        again = Some(Lines::new(&mut blocks, false).last() / SPAN);
        shared.lock().done = len;
        wake();
    }
}

/// Wakes whoever watches, now and then.
struct Teller<'a> {
    wake: &'a Wake,
    told: Mutex<Instant>,
}

impl<'a> Teller<'a> {
    fn new(wake: &'a Wake) -> Self {
        Self {
            wake,
            told: Mutex::new(Instant::now()),
        }
    }

    fn tick(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= TELL {
            *told = Instant::now();
            (self.wake)();
        }
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
    work: impl Fn(&mut Blocks, u64, &mut Room, &mut Vec<u8>) -> ControlFlow<()> + Sync,
) {
    let next = AtomicU64::new(0);
    let enough = AtomicBool::new(false);
    let one = || {
        let mut blocks = Blocks::new(Arc::clone(&shared.file), len);
        let (mut bytes, mut scratch) = (Room::new(), vec![]);
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
fn first_raw(shared: &Shared, len: u64, teller: &Teller<'_>) {
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
        blocks.read_over(start, end.saturating_sub(start), bytes);
        if shared.matcher.first_raw(bytes).is_some() {
            best.fetch_min(n, Ordering::Relaxed);
            return ControlFlow::Break(());
        }
        shared.looked.fetch_add(1, Ordering::Relaxed);
        teller.tick();
        ControlFlow::Continue(())
    });
    let n = best.load(Ordering::Relaxed);
    if n == u64::MAX || shared.is_over() {
        return;
    }
    let span = if order.forward { first + n } else { first - n };
    let mut blocks = Blocks::new(Arc::clone(&shared.file), len);
    let hits = search(&shared.matcher, &mut blocks, span, &mut Room::new(), &mut vec![]);
    let hit = if order.forward {
        hits.into_iter().find(|h| *h >= order.from)
    } else {
        hits.into_iter().rfind(|h| *h < order.from)
    };
    shared.lock().first = hit;
}

/// Where the lines begin that are found in a span: those that begin in it, however far they go on.
pub(in crate::log) fn search(
    matcher: &Matcher,
    blocks: &mut Blocks,
    span: u64,
    bytes: &mut Room,
    scratch: &mut Vec<u8>,
) -> Vec<u64> {
    let start = span * SPAN;
    let end = (start + SPAN).min(blocks.len());
    blocks.read_over(start, SPAN + TAIL, bytes);
    // What the last line says after the end of the span.
    let mut from = within(end, start).min(bytes.len());
    while start + (from as u64) < end + BLOCK && bytes.get(from.wrapping_sub(1)) != Some(&b'\n') {
        if bytes.len() <= from {
            blocks.read_into(start + from as u64, TAIL, bytes.end());
        }
        match memchr::memchr(b'\n', bytes.get(from..).unwrap_or_default()) {
            Some(at) => from += at + 1,
            None if bytes.len() == from => break,
            None => from = bytes.len(),
        }
    }
    bytes.truncate(from);
    let found = matcher.lines(bytes, scratch);
    let mut starts = vec![];
    for line in found {
        let at = start + line.start as u64;
        // The first line may have begun before the span; a long one is cut.
        if (line.end - line.start) as u64 > BLOCK {
            starts.extend(in_parts(matcher, blocks, &line, bytes, (start, end)));
        } else if line.start == 0 && span > 0 {
            if Lines::new(blocks, false).start_of(at) == at {
                starts.push(at);
            }
        } else if at < end {
            starts.push(at);
        }
    }
    starts.dedup();
    starts
}

/// The parts of a long line that are meant, each by where it begins.
fn in_parts(
    matcher: &Matcher,
    blocks: &mut Blocks,
    line: &Range<usize>,
    bytes: &[u8],
    (start, end): (u64, u64),
) -> Vec<u64> {
    let (mut starts, mut scratch) = (vec![], vec![]);
    let mut from = line.start;
    while from < line.end {
        let begin = Lines::new(blocks, false).start_of(start + from as u64);
        let stop = Lines::new(blocks, false).end_of(begin);
        let to = within(stop, start).min(line.end).max(from + 1);
        let part = bytes.get(from..to).unwrap_or_default();
        let across = (to + ACROSS).min(line.end);
        // What began shortly before the span was found in the one before.
        let mine = begin >= start || start - begin > BLOCK;
        let beyond = (
            bytes.get(from..across).unwrap_or_default(),
            bytes.get(to..across).unwrap_or_default(),
        );
        let found = matcher.has_part((part, beyond.0, beyond.1), &mut scratch);
        if mine && begin < end && found {
            starts.push(begin);
        }
        from = to;
    }
    starts
}
