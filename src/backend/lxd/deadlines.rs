//! How long a daemon may keep us waiting: the one table, and the wait that keeps to it.

use std::{future::Future, time::Duration};

use reqwest::Method;
use tokio::time::{Instant, timeout_at};

use super::transport::{About, Transport};
use crate::backend::{Result, late};

/// How long each kind of call may take. Whoever listens ([`late::heard`]) is told of each after `notice`, and until when
/// it is waited for; after that it is an error, and the run looks at the real state before it says anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// After so long without an answer it is said that there is none.
    pub(super) notice: Duration,
    /// A question. A busy daemon with a thousand snapshots answers in 4 s (measured). In a run it has `change`.
    pub(super) question: Duration,
    /// What changes something, or only takes an order for it. On a loaded machine of 2 cores 10 s were too few.
    pub(super) change: Duration,
    /// A file of an instance, plus a second a MiB: the daemon starts a process for it that enters the instance, which
    /// took more than 10 s on 2 cores with twenty instances at work.
    pub(super) file: Duration,
    /// A storage pool with its loop file, or a bridge: one call that lasts.
    pub(super) making: Duration,
    /// One wait for an operation, which may last as long as it does. The daemon is asked again after each, so that one
    /// that hangs is told from one that works; it may be `question` late with the answer.
    pub(super) slice: Duration,
    /// An upload of which the daemon takes nothing.
    pub(super) stall: Duration,
    /// What was asked for before the user stopped it is waited for so much longer, once it is late.
    pub(super) grace: Duration,
}

impl Deadlines {
    const ALL: Self = Self {
        notice: Duration::from_secs(3),
        question: Duration::from_secs(10),
        change: Duration::from_mins(1),
        file: Duration::from_mins(1),
        making: Duration::from_mins(3),
        slice: Duration::from_secs(5),
        stall: Duration::from_mins(1),
        grace: Duration::from_secs(5),
    };

    /// Those in force. `HALOLAB_TEST_HURRY=N` makes each of them N times shorter, so that tests need not wait.
    pub(super) fn in_force() -> Self {
        let hurry = std::env::var("HALOLAB_TEST_HURRY").ok();
        let hurry = hurry.and_then(|n| n.parse::<f64>().ok()).filter(|n| *n >= 1.0);
        hurry.map_or(Self::ALL, |hurry| Self::ALL.shorter(hurry))
    }

    /// The same, so scaled that a question has `question`, and with this slice.
    pub(super) fn with(question: Duration, slice: Duration) -> Self {
        let by = Self::ALL.question.as_secs_f64() / question.as_secs_f64().max(0.001);
        Self {
            slice,
            ..Self::ALL.shorter(by)
        }
    }

    fn shorter(self, by: f64) -> Self {
        let cut = |time: Duration| time.div_f64(by);
        Self {
            notice: cut(self.notice),
            question: cut(self.question),
            change: cut(self.change),
            file: cut(self.file),
            making: cut(self.making),
            slice: cut(self.slice),
            stall: cut(self.stall),
            grace: cut(self.grace),
        }
    }

    /// A call of this method.
    pub(super) fn of(&self, method: &Method) -> Duration {
        let patient = late::listener().is_some_and(|listener| listener.patient);
        if *method == Method::GET && !patient {
            self.question
        } else {
            self.change
        }
    }
}

impl Transport {
    /// Waits for an answer until `end`. Where it is not there `silence` and the notice's time from now, whoever
    /// listens is told, and once more when it came.
    pub(super) async fn answer<T>(
        &self,
        about: &About,
        (end, silence): (Duration, Duration),
        answer: impl Future<Output = T>,
    ) -> Result<T> {
        let began = Instant::now();
        let limit = began + end;
        tokio::pin!(answer);
        let noticed = limit.min(began + silence + self.deadlines.notice);
        if let Ok(answer) = timeout_at(noticed, &mut answer).await {
            return Ok(answer);
        }
        self.tell_late(about, began, limit);
        let listener = late::listener();
        let stopped = async {
            match &listener {
                Some(listener) => listener.cancel.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let grace = self.deadlines.grace;
        let answer = tokio::select! {
            answer = timeout_at(limit, &mut answer) => answer,
            () = stopped => match timeout_at(limit.min(Instant::now() + grace), &mut answer).await {
                Err(_) => return Err(super::operation::cancelled(about)),
                answer => answer,
            },
        };
        let Ok(answer) = answer else {
            return Err(self.timeout(about, end));
        };
        let said = late::at_last(&self.engine, &about.what, began.elapsed());
        tracing::info!("{said}");
        if let Some(listener) = listener {
            listener.came(&about.what, &said);
        }
        Ok(answer)
    }

    /// Tells that there is no answer to what began then, and until when it is waited for.
    pub(super) fn tell_late(&self, about: &About, began: Instant, limit: Instant) {
        let left = limit.saturating_duration_since(Instant::now());
        // What ends now is told by its error.
        if left.is_zero() {
            return;
        }
        let said = late::sentence(&self.engine, &about.what, began.elapsed(), left);
        tracing::warn!("{said}");
        if let Some(listener) = late::listener() {
            listener.late(&about.what, &said);
        }
    }
}
