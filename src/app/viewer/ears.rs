//! What wakes the viewer: the terminal, the files, its own threads, signals. Nothing by the clock.

use std::{
    fs::File,
    io::{self, Read as _, stdin},
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::{Errno, ioctl_fionread},
    termios::isatty,
};
use signal_hook::{
    SigId,
    consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH},
    flag,
    low_level::{pipe, unregister},
};

use crate::log::{Wake, watch::Watch};

/// What woke the viewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "any of them at once")]
pub(super) struct Heard {
    /// Keys wait to be read.
    pub(super) keys: bool,
    /// A file changed.
    pub(super) files: bool,
    /// A thread has something.
    pub(super) threads: bool,
    /// The window has another size, or the program goes on after a stop.
    pub(super) window: bool,
    /// Told to stop for a while.
    pub(super) stop: bool,
    /// Told to end, with this exit code; or the terminal is gone.
    pub(super) end: Option<u8>,
}

/// Exit code where the terminal is gone: 128 and the number of SIGHUP.
const GONE: u8 = 129;

#[derive(Debug)]
struct Signals {
    /// What is listened to, until it is dropped: a screen around the viewer goes on after it.
    heard: Vec<SigId>,
    pipe: UnixStream,
    window: Arc<AtomicUsize>,
    stop: Arc<AtomicUsize>,
    end: Arc<AtomicUsize>,
}

/// Everything that is listened to.
#[derive(Debug)]
pub(super) struct Ears {
    terminal: OwnedFd,
    threads: Arc<OwnedFd>,
    signals: Signals,
}

impl Ears {
    /// Begins to listen.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminal: terminal()?,
            threads: Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?),
            signals: Signals::listen()?,
        })
    }

    /// For threads to call.
    pub(super) fn wake(&self) -> Wake {
        let threads = Arc::clone(&self.threads);
        Arc::new(move || {
            // Full means that it is woken already.
            let _ = rustix::io::write(&*threads, &1_u64.to_ne_bytes());
        })
    }

    /// Waits until something happens, at most so long. Files are not listened to while it is known that they changed.
    pub(super) fn listen(&mut self, watch: Option<&mut Watch>, most: Option<Duration>) -> io::Result<Heard> {
        let mut heard = Heard::default();
        let files = watch.as_ref().and_then(|w| w.ears());
        let ready = self.poll(files, most)?;
        heard.threads = ready.threads;
        if ready.threads {
            let mut count = [0; 8];
            let _ = rustix::io::read(&*self.threads, &mut count);
        }
        self.signals.hear(&mut heard);
        if let Some(watch) = watch {
            heard.files = ready.files && watch.hear();
        }
        if ready.gone {
            heard.end = Some(GONE);
        } else if ready.keys {
            // Readable without bytes is the end: reading it would spin for ever.
            match ioctl_fionread(&self.terminal) {
                Ok(0) | Err(_) => heard.end = Some(GONE),
                Ok(_) => heard.keys = true,
            }
        }
        Ok(heard)
    }

    fn poll(&self, files: Option<BorrowedFd<'_>>, most: Option<Duration>) -> io::Result<Ready> {
        let mut fds = vec![
            PollFd::new(&self.terminal, PollFlags::IN),
            PollFd::new(&*self.threads, PollFlags::IN),
            PollFd::new(&self.signals.pipe, PollFlags::IN),
        ];
        fds.extend(files.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let most = most.and_then(|m| Timespec::try_from(m).ok());
        match poll(&mut fds, most.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let flags: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        let is = |at: usize, what: PollFlags| flags.get(at).is_some_and(|f| f.intersects(what));
        Ok(Ready {
            gone: is(0, PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
            keys: is(0, PollFlags::IN),
            threads: is(1, PollFlags::IN),
            files: is(3, PollFlags::IN),
        })
    }

    /// What was pressed for another program is not meant for this one.
    pub(super) fn forget_interrupts(&self) {
        let _ = self
            .signals
            .end
            .compare_exchange(130, 0, Ordering::SeqCst, Ordering::SeqCst);
    }
}

#[expect(clippy::struct_excessive_bools, reason = "any of them at once")]
struct Ready {
    gone: bool,
    keys: bool,
    threads: bool,
    files: bool,
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.heard.drain(..) {
            unregister(id);
        }
    }
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let (pipe, told) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        let new = || Arc::new(AtomicUsize::new(0));
        let (window, stop, end) = (new(), new(), new());
        let mut heard = vec![];
        let signals = [
            (SIGTERM, &end, 143),
            (SIGHUP, &end, usize::from(GONE)),
            (SIGINT, &end, 130),
            (SIGQUIT, &end, 131),
            (SIGTSTP, &stop, 1),
            (SIGWINCH, &window, 1),
            (SIGCONT, &window, 1),
        ];
        for (signal, told_by, value) in signals {
            // The flag first: who hears the pipe finds it set.
            heard.push(flag::register_usize(signal, Arc::clone(told_by), value)?);
            heard.push(pipe::register(signal, told.try_clone()?)?);
        }
        Ok(Self {
            heard,
            pipe,
            window,
            stop,
            end,
        })
    }

    fn hear(&self, heard: &mut Heard) {
        let mut bytes = [0; 64];
        while matches!((&self.pipe).read(&mut bytes), Ok(1..)) {}
        heard.window = self.window.swap(0, Ordering::SeqCst) != 0;
        heard.stop = self.stop.swap(0, Ordering::SeqCst) != 0;
        let code = self.end.load(Ordering::SeqCst);
        heard.end = u8::try_from(code).ok().filter(|code| *code != 0);
    }
}

/// The terminal that keys come from: the standard input, or behind a pipe the terminal itself.
fn terminal() -> io::Result<OwnedFd> {
    let input = stdin();
    if isatty(&input) {
        return input.as_fd().try_clone_to_owned();
    }
    Ok(File::open("/dev/tty")?.into())
}
