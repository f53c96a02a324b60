//! One call to the engine: its deadline, and its no in the words of [`Error`].

use std::{error::Error as _, io::ErrorKind, time::Duration};

use bollard::errors::Error as Wire;
use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, timeout};

use super::Docker;
use crate::backend::{Error, Progress, Result, about::About, error::fold, late};

/// How long a short call may take: an engine that unpacks an image beside it was seen to take 8 s for a list.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);
/// After so long without an answer it is said that there is none.
const NOTICE: Duration = Duration::from_secs(3);
/// What was asked for before the user stopped it is waited for so much longer, once it is late.
const GRACE: Duration = Duration::from_secs(5);
/// How long a call may take that copies or removes the files of a container.
pub(super) const WORK: Duration = Duration::from_hours(1);
/// How long a stream of progress may be silent; a build may longer, while the engine answers ([`patient`]).
pub(super) const SILENCE: Duration = Duration::from_mins(15);

impl Docker {
    /// A call with the usual deadline. Whoever listens hears of one that is late, and may stop waiting for it.
    pub(super) async fn call<T>(
        &self,
        about: &About,
        call: impl Future<Output = std::result::Result<T, Wire>>,
    ) -> Result<T> {
        let mut call = Box::pin(call);
        if let Ok(answer) = timeout(NOTICE, &mut call).await {
            return answer.map_err(|error| self.said(about, &error));
        }
        let left = DEADLINE.saturating_sub(NOTICE);
        let listener = late::listener();
        let said = late::sentence(self.engine(), &about.what, NOTICE, left);
        tracing::warn!("{said}");
        if let Some(listener) = &listener {
            listener.late(&about.what, &said);
        }
        let began = Instant::now();
        let stopped = async {
            match &listener {
                Some(listener) => listener.cancel.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let answer = tokio::select! {
            answer = timeout(left, &mut call) => answer.map_err(|_| self.late(about, DEADLINE)),
            () = stopped => timeout(GRACE, &mut call).await.map_err(|_| cancelled(about)),
        };
        let answer = answer?;
        let said = late::at_last(self.engine(), &about.what, NOTICE + began.elapsed());
        tracing::info!("{said}");
        if let Some(listener) = &listener {
            listener.came(&about.what, &said);
        }
        answer.map_err(|error| self.said(about, &error))
    }

    /// A call with a deadline of its own, for which whoever listens may stop waiting. What begins after the user stopped is
    /// there to take something back: it has its time.
    pub(super) async fn call_within<T>(
        &self,
        deadline: Duration,
        about: &About,
        call: impl Future<Output = std::result::Result<T, Wire>>,
    ) -> Result<T> {
        let listener = late::listener().filter(|listener| !listener.cancel.is_cancelled());
        let stopped = async {
            match &listener {
                Some(listener) => listener.cancel.cancelled().await,
                None => std::future::pending().await,
            }
        };
        // The answers are large: their futures would be larger than the stack likes.
        let mut call = Box::pin(call);
        let answer = tokio::select! {
            answer = timeout(deadline, &mut call) => answer.map_err(|_| self.late(about, deadline)),
            () = stopped => timeout(GRACE, &mut call).await.map_err(|_| cancelled(about)),
        };
        answer?.map_err(|error| self.said(about, &error))
    }

    /// A call about something that may not be there.
    pub(super) async fn find<T>(
        &self,
        about: &About,
        call: impl Future<Output = std::result::Result<T, Wire>>,
    ) -> Result<Option<T>> {
        match self.call(about, call).await {
            Err(Error::Missing { .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    /// Hands each piece of a stream on until it ends, is silent for too long, or the user stops it. Dropping the stream
    /// ends the engine's work.
    pub(super) async fn follow<T>(
        &self,
        about: &About,
        progress: &Progress,
        stream: impl Stream<Item = std::result::Result<T, Wire>> + Send,
        each: &mut (dyn FnMut(T) + Send),
    ) -> Result<()> {
        let mut stream = std::pin::pin!(stream);
        loop {
            let piece = tokio::select! {
                piece = timeout(SILENCE, stream.next()) => piece,
                () = progress.cancel.cancelled() => return Err(cancelled(about)),
            };
            match piece {
                Err(_) => return Err(self.late(about, SILENCE)),
                Ok(None) => return Ok(()),
                Ok(Some(piece)) => each(piece.map_err(|error| self.said(about, &error))?),
            }
        }
    }

    /// Whether the engine still answers; a short question of no weight.
    pub(super) async fn answers(&self, about: &About) -> Result<()> {
        self.call(about, self.api.ping()).await.map(|_| ())
    }

    /// The engine took too long.
    pub(super) fn late(&self, about: &About, after: Duration) -> Error {
        Error::Timeout {
            engine: self.engine().to_owned(),
            what: about.what.clone(),
            after,
        }
    }

    /// An answer that makes no sense.
    pub(super) fn protocol(&self, about: &About, reason: &str) -> Error {
        Error::Protocol {
            engine: self.engine().to_owned(),
            what: about.what.clone(),
            reason: fold(reason),
        }
    }

    /// An error of the client's library in our words.
    pub(super) fn said(&self, about: &About, error: &Wire) -> Error {
        match error {
            Wire::DockerResponseServerError { status_code, message } => refused(about, *status_code, message),
            Wire::DockerStreamError { error } | Wire::DockerContainerWaitError { error, .. } => {
                about.no(error)
            }
            Wire::RequestTimeoutError => self.late(about, WORK),
            Wire::SocketNotFoundError(_) => self.away("No such file or directory"),
            Wire::HyperResponseError { .. } | Wire::HyperLegacyError { .. } | Wire::IOError { .. } => {
                self.cut(about, error)
            }
            other => self.protocol(about, &other.to_string()),
        }
    }

    /// A connection that failed: before it was there, or in the middle.
    fn cut(&self, about: &About, error: &Wire) -> Error {
        let (reason, kind) = root_of(error);
        match kind {
            Some(ErrorKind::PermissionDenied) => Error::Permission {
                address: self.address().to_owned(),
                group: super::locate::group_of(self.address()),
            },
            Some(ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::WouldBlock) => {
                self.away(&reason)
            }
            _ => Error::Lost {
                engine: self.engine().to_owned(),
                what: about.what.clone(),
                reason: fold(&reason),
            },
        }
    }

    fn away(&self, reason: &str) -> Error {
        Error::Unreachable {
            engine: self.engine().to_owned(),
            address: self.address().to_owned(),
            reason: fold(reason),
        }
    }
}

/// Waits for what may be silent as long as it works, such as a compiler; after each silence `alive` is asked, whose no ends
/// it.
pub(super) async fn patient<T, A>(
    work: impl Future<Output = T>,
    silence: Duration,
    alive: impl Fn() -> A,
) -> Result<T>
where
    A: Future<Output = Result<()>>,
{
    let mut work = std::pin::pin!(work);
    loop {
        match timeout(silence, &mut work).await {
            Ok(done) => return Ok(done),
            Err(_) => alive().await?,
        }
    }
}

/// The innermost reason of an error, and the system's kind of it where it is one of the system's.
fn root_of(error: &Wire) -> (String, Option<ErrorKind>) {
    let mut reason = error.to_string();
    let mut kind = None;
    let mut cause = error.source();
    if let Wire::IOError { err } = error {
        kind = Some(err.kind());
    }
    while let Some(inner) = cause {
        reason = inner.to_string();
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            kind = Some(io.kind());
        }
        cause = inner.source();
    }
    (reason, kind)
}

/// The engine's no: what is missing, what is taken, and all else in its own words.
fn refused(about: &About, code: u16, message: &str) -> Error {
    let taken = code == 409 && message.contains("is already in use");
    match code {
        404 => about.refused(404, message),
        _ if taken => Error::Exists {
            what: about.object.clone(),
        },
        _ if message.contains("max depth exceeded") => about.no(format!(
            "{message}: each snapshot, restore and renewal is a layer on top of the image, and the engine takes no more; \
             `halolab recreate` begins with a fresh one"
        )),
        _ => about.no(message),
    }
}

/// The user stopped it.
pub(super) fn cancelled(about: &About) -> Error {
    Error::Cancelled {
        what: about.what.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn silence_ends_nothing_as_long_as_the_engine_answers() {
        let asked = AtomicU32::new(0);
        let (done, work) = tokio::sync::oneshot::channel();
        let done = std::sync::Mutex::new(Some(done));
        // the work ends only after the third question
        let alive = || async {
            if asked.fetch_add(1, Ordering::Relaxed) == 2
                && let Some(done) = done.lock().ok().and_then(|mut done| done.take())
            {
                let _ = done.send("built");
            }
            Ok(())
        };
        let said = patient(work, Duration::from_millis(1), alive).await.unwrap();
        assert_eq!((said.unwrap(), asked.load(Ordering::Relaxed)), ("built", 3));

        let gone = || async { Err(Error::Cancelled { what: "ask".into() }) };
        let said = patient(std::future::pending::<()>(), Duration::from_millis(1), gone).await;
        assert!(matches!(said, Err(Error::Cancelled { .. })), "{said:?}");
    }
}
