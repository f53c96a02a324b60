//! Line numbers: line breaks are counted per 256 KiB by a thread of its own, 32 KiB of memory a GiB. Nobody waits
//! for it: until a place is counted, its number is unknown.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use memchr::memchr_iter;

use super::{Wake, room::Room};

/// Bytes per entry.
const SPAN: u64 = 256 * 1024;
/// Whoever watches is told of progress this often.
const TELL: Duration = Duration::from_millis(250);

#[derive(Debug, Default)]
struct Counts {
    /// Line breaks before the end of each whole span.
    before: Vec<u64>,
    /// Bytes that were counted.
    counted: u64,
    /// Line breaks in them.
    breaks: u64,
    /// Bytes to count.
    wanted: u64,
    over: bool,
}

#[derive(Debug, Default)]
struct Shared {
    counts: Mutex<Counts>,
    more: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The line numbers of a file.
#[derive(Debug)]
pub struct Index {
    shared: Arc<Shared>,
    file: Arc<File>,
}

impl Index {
    /// Begins to count; `wake` is called when there is something new to show.
    pub fn start(file: &Arc<File>, len: u64, wake: &Wake) -> Self {
        let shared = Arc::new(Shared::default());
        shared.lock().wanted = len;
        let (mine, wake, read) = (Arc::clone(&shared), Arc::clone(wake), Arc::clone(file));
        // Without a thread nothing is counted, and line numbers stay unknown.
        let _ = thread::Builder::new()
            .name("count-lines".into())
            .stack_size(64 * 1024)
            .spawn(move || count(&mine, &read, &wake));
        Self {
            shared,
            file: Arc::clone(file),
        }
    }

    /// The file has this size now.
    pub fn grow(&self, len: u64) {
        let mut counts = self.shared.lock();
        if len > counts.wanted {
            counts.wanted = len;
            self.shared.more.notify_one();
        }
    }

    /// Line breaks that were counted, and in how many bytes.
    pub fn counted(&self) -> (u64, u64) {
        let counts = self.shared.lock();
        (counts.breaks, counts.counted)
    }

    /// Line breaks before an offset; none where that is not counted yet.
    pub fn breaks_before(&self, offset: u64) -> Option<u64> {
        let (base, mut count) = {
            let counts = self.shared.lock();
            if offset > counts.counted {
                return None;
            }
            let whole = usize::try_from(offset / SPAN).ok()?;
            let count = match whole.checked_sub(1) {
                None => 0,
                Some(last) => *counts.before.get(last)?,
            };
            (whole as u64 * SPAN, count)
        };
        let mut bytes = vec![0; usize::try_from(offset - base).ok()?];
        let read = self.file.read_at(&mut bytes, base).ok()?;
        count += memchr_iter(b'\n', bytes.get(..read)?).count() as u64;
        Some(count)
    }

    /// Where a line begins, counted from 0; none where that is not counted yet. Past the last one: its end.
    pub fn offset_of(&self, line: u64) -> Option<u64> {
        if line == 0 {
            return Some(0);
        }
        let (base, before) = {
            let counts = self.shared.lock();
            if line > counts.breaks {
                return (counts.counted >= counts.wanted).then_some(counts.counted);
            }
            let span = counts.before.partition_point(|n| *n < line);
            let before = span.checked_sub(1).and_then(|s| counts.before.get(s)).copied();
            (span as u64 * SPAN, before.unwrap_or(0))
        };
        let mut bytes = vec![0; usize::try_from(SPAN).unwrap_or(0)];
        let read = self.file.read_at(&mut bytes, base).ok()?;
        let nth = usize::try_from(line - before - 1).ok()?;
        let place = memchr_iter(b'\n', bytes.get(..read)?).nth(nth)?;
        Some(base + place as u64 + 1)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.more.notify_one();
    }
}

fn count(shared: &Shared, file: &File, wake: &Wake) {
    let mut bytes = Room::new();
    let mut told = Instant::now();
    let mut stuck = false;
    loop {
        let (at, want) = {
            let mut counts = shared.lock();
            while !counts.over && (stuck || counts.counted >= counts.wanted) {
                stuck = false;
                counts = shared.more.wait(counts).unwrap_or_else(PoisonError::into_inner);
            }
            if counts.over {
                return;
            }
            let room = SPAN - counts.counted % SPAN;
            (counts.counted, room.min(counts.wanted - counts.counted))
        };
        // A file that was cut meanwhile, or cannot be read: whoever watches it makes a new index.
        let _ = bytes.read(file, at, usize::try_from(want).unwrap_or(0));
        let read = bytes.len();
        let breaks = memchr_iter(b'\n', &bytes).count() as u64;
        stuck = read == 0;
        let mut counts = shared.lock();
        counts.counted += read as u64;
        counts.breaks += breaks;
        if read > 0 && counts.counted.is_multiple_of(SPAN) {
            let breaks = counts.breaks;
            counts.before.push(breaks);
        }
        let done = counts.counted >= counts.wanted;
        drop(counts);
        if done || told.elapsed() >= TELL {
            told = Instant::now();
            wake();
        }
    }
}
