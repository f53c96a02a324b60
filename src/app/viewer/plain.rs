//! Logs as text, where there is no terminal: as `cat`, or as `tail -f` until the reader goes away.

use std::{
    io::{self, BufWriter, ErrorKind, StdoutLock, Write as _, stdout},
    os::fd::AsFd as _,
    sync::Arc,
    time::Duration,
};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::{
    cli::{Code, Stop, note},
    log::{
        Wake,
        blocks::Blocks,
        document::save::Seen,
        lines::Lines,
        source::{Change, Source},
        watch::Watch,
    },
};

use super::Request;

/// Bytes that are written at a time.
const CHUNK: usize = 128 * 1024;
/// Lines that are written before what comes, as `tail` does.
const LAST: usize = 10;
/// Files that nobody tells of are looked at this often.
const LOOK: Duration = Duration::from_secs(1);

/// A log, and how far it was written.
struct Log {
    source: Source,
    blocks: Blocks,
    at: u64,
    seen: Seen,
}

/// Writes the logs, as far as they can be read.
pub(super) fn write(request: &Request) -> Result<u8, Stop> {
    let mut refused = vec![];
    match written(request, &mut refused) {
        // The reader has read enough.
        Err(Failure::Write(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(0),
        Err(Failure::Write(error)) => Err(error.into()),
        Err(Failure::Broken(text)) => {
            refused.push(text);
            Err(Stop::new(Code::FAILED, refused.join("\n")))
        }
        Ok(()) if refused.is_empty() => Ok(0),
        Ok(()) => Err(Stop::usage(refused.join("\n"))),
    }
}

/// Why a log is not written any further.
enum Lost {
    Read(io::Error),
    Write(io::Error),
}

enum Failure {
    Broken(String),
    Write(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

fn written(request: &Request, refused: &mut Vec<String>) -> Result<(), Failure> {
    let threads =
        Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(io::Error::from)?);
    let told = Arc::clone(&threads);
    let wake: Wake = Arc::new(move || {
        let _ = rustix::io::write(&*told, &1_u64.to_ne_bytes());
    });
    let mut logs = vec![];
    for path in &request.files {
        let source = match Source::open(path, &wake) {
            Ok(source) => source,
            Err(error) => {
                // Whoever follows sees no end at which it could be said.
                if request.follow && request.files.len() > 1 {
                    note(&error.to_string());
                }
                refused.push(error.to_string());
                continue;
            }
        };
        let blocks = Blocks::new(Arc::clone(source.handle()), source.len());
        logs.push(Log {
            source,
            blocks,
            at: 0,
            seen: Seen::default(),
        });
    }
    let mut watch = Watch::new();
    if request.follow {
        for log in &mut logs {
            log.source.path().into_iter().for_each(|path| watch.add(path));
            log.at = last_lines(&mut log.blocks);
        }
    }
    let many = logs.len() > 1 && request.follow;
    let mut out = BufWriter::with_capacity(CHUNK, stdout().lock());
    let mut shown = usize::MAX;
    loop {
        let mut reading = false;
        for (index, log) in logs.iter_mut().enumerate() {
            // Asked before the look: what comes between the two is seen in the next round.
            let ended = log.source.is_complete();
            // A pipe or an archive that ended stays as it is; a file may go on.
            let goes_on = !ended || request.follow && log.source.path().is_some();
            reading |= goes_on;
            log.look(&mut out, request.follow)?;
            if many && log.at < log.blocks.len() && std::mem::replace(&mut shown, index) != index {
                writeln!(out, "==> {} <==", log.source.name())?;
            }
            log.write(&mut out, goes_on).map_err(|error| log.failed(error))?;
            if goes_on && !request.follow {
                // One after the other, as `cat` does.
                break;
            }
        }
        out.flush()?;
        if !reading {
            return broken(&logs);
        }
        if !wait(&mut watch, &threads, &mut out, request.follow)? {
            return Ok(());
        }
    }
}

/// An archive that breaks is said at the end of what is in it.
fn broken(logs: &[Log]) -> Result<(), Failure> {
    match logs
        .iter()
        .find_map(|l| Some((l.source.name(), l.source.note()?)))
    {
        Some((name, note)) => Err(Failure::Broken(format!("{name}: {note}"))),
        None => Ok(()),
    }
}

impl Log {
    /// Looks what became of the log. Of one that was replaced the rest is written first, as it was written to the end.
    fn look(&mut self, out: &mut BufWriter<StdoutLock<'_>>, follow: bool) -> io::Result<()> {
        let change = self.source.look();
        if change == Change::Replaced {
            let len = self.blocks.file().metadata().map_or(0, |known| known.len());
            self.blocks.set_len(len);
            // It cannot be read again, and what is lost of it is lost for everybody.
            let _ = self.write(out, false);
        }
        match change {
            Change::Cut | Change::Replaced => {
                self.blocks = Blocks::new(Arc::clone(self.source.handle()), self.source.len());
                self.at = 0;
                self.seen = Seen::default();
            }
            _ => self.blocks.set_len(self.source.len()),
        }
        let said = match change {
            Change::Cut => "was cut; what follows is from its beginning on",
            Change::Replaced => "is another file now; what follows is from its beginning on",
            Change::Gone => "has gone; waiting for it",
            Change::Back => "is back",
            Change::None | Change::Grown => return Ok(()),
        };
        if follow {
            out.flush()?;
            note(&format!("{} {said}", self.source.name()));
        }
        Ok(())
    }

    /// Writes what there is; of a log that goes on, whole lines only.
    fn write(&mut self, out: &mut BufWriter<StdoutLock<'_>>, goes_on: bool) -> Result<(), Lost> {
        let mut bytes = vec![];
        while self.at < self.blocks.len() {
            let end = Lines::new(&mut self.blocks, false).end_of(self.at);
            bytes.clear();
            self.blocks.read_into(self.at, end - self.at, &mut bytes);
            if let Some(fault) = self.blocks.fault() {
                return Err(Lost::Read(fault));
            }
            let (whole, last) = (bytes.ends_with(b"\n"), end == self.blocks.len());
            if bytes.is_empty() || goes_on && last && !whole {
                return Ok(());
            }
            self.seen
                .write(out, &bytes, !whole && !last)
                .map_err(Lost::Write)?;
            self.at = end;
            self.source.forget_before(end);
        }
        Ok(())
    }

    fn failed(&self, lost: Lost) -> Failure {
        match lost {
            Lost::Write(error) => Failure::Write(error),
            Lost::Read(error) => Failure::Broken(format!(
                "{} cannot be read from byte {} on: {error}; what is above is whole",
                self.source.name(),
                self.at
            )),
        }
    }
}

fn last_lines(blocks: &mut Blocks) -> u64 {
    let mut lines = Lines::new(blocks, false);
    let last = lines.last();
    lines.back(last, LAST - 1).0
}

/// Waits for more; says whether anybody still reads.
fn wait(
    watch: &mut Watch,
    threads: &impl std::ops::Deref<Target = std::os::fd::OwnedFd>,
    out: &mut BufWriter<StdoutLock<'_>>,
    follow: bool,
) -> io::Result<bool> {
    let most = (follow && watch.is_deaf())
        .then(|| Timespec::try_from(LOOK).ok())
        .flatten();
    let reader = out.get_ref().as_fd();
    loop {
        let mut fds = vec![
            PollFd::from_borrowed_fd(reader, PollFlags::empty()),
            PollFd::new(&**threads, PollFlags::IN),
        ];
        fds.extend(watch.ears().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        match poll(&mut fds, most.as_ref()) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(0) => {
                watch.renew();
                return Ok(true);
            }
            Ok(_) => {}
        }
        let events: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        if events
            .first()
            .is_some_and(|e| e.intersects(PollFlags::ERR | PollFlags::HUP))
        {
            return Ok(false);
        }
        if events.get(1).is_some_and(|e| !e.is_empty()) {
            let mut count = [0; 8];
            let _ = rustix::io::read(&**threads, &mut count);
            return Ok(true);
        }
        if watch.hear() {
            return Ok(true);
        }
    }
}
