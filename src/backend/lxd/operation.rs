//! Operations: what a daemon does in the background. Started, followed over the events websocket,
//! waited for in slices, stopped when the user says so.

use std::{collections::BTreeMap, time::Duration};

use futures_util::StreamExt as _;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::Message;

use super::{
    transport::{About, Ask, Reply, Transport},
    websocket::Socket,
    wire::{Event, Operation},
};
use crate::backend::{Error, Progress, Result, error::fold};

/// Pause between two looks at an operation that answers at once that it still runs.
const PAUSE: Duration = Duration::from_millis(200);

impl Transport {
    /// Starts an operation and waits until it ended well. Nobody watches and nothing stops it.
    pub(super) async fn run(&self, ask: &Ask<'_>, about: &About) -> Result<Operation> {
        let reply = self.ask(ask, about).await?;
        // Some calls are answered at once by one daemon and in the background by the other.
        if reply.envelope.kind == "sync" {
            return Ok(Operation::default());
        }
        let started = self.started(&reply, about)?;
        Self::finished(self.wait(&started.id, about).await?, about)
    }

    /// Starts an operation, tells `progress` how far it is, and stops it when `progress` is cancelled.
    pub(super) async fn follow(
        &self,
        ask: &Ask<'_>,
        about: &About,
        progress: &Progress,
    ) -> Result<Operation> {
        Self::finished(self.follow_to_end(ask, about, progress).await?, about)
    }

    /// The same, whether it ends well or not.
    pub(super) async fn follow_to_end(
        &self,
        ask: &Ask<'_>,
        about: &About,
        progress: &Progress,
    ) -> Result<Operation> {
        let events = self.subscribe(progress, about).await;
        if progress.cancel.is_cancelled() {
            return Err(cancelled(about));
        }
        let reply = self.ask(ask, about).await?;
        let started = self.started(&reply, about)?;
        self.watch_operation(&started.id, about, progress, events).await
    }

    /// Listens before the request is sent, or its first news are lost. Without a listener there is
    /// no need; without a websocket the operation still works, only silently.
    pub(super) async fn subscribe(&self, progress: &Progress, about: &About) -> Option<Socket> {
        progress.sink.as_ref()?;
        self.websocket("/1.0/events?type=operation", about).await.ok()
    }

    /// Follows an operation that was started until it ended, well or not.
    pub(super) async fn watch_operation(
        &self,
        id: &str,
        about: &About,
        progress: &Progress,
        mut events: Option<Socket>,
    ) -> Result<Operation> {
        let mut news = News::default();
        let wait = self.wait(id, about);
        tokio::pin!(wait);
        loop {
            tokio::select! {
                ended = &mut wait => return ended,
                message = next(&mut events) => match message {
                    Some(text) => news.tell(&text, id, progress),
                    None => events = None,
                },
                () = progress.cancel.cancelled() => break,
            }
        }
        let stop = self.cancel(id, about);
        tokio::pin!(stop);
        tokio::select! {
            ended = &mut wait => ended.map(drop)?,
            stopped = &mut stop => {
                stopped?;
                wait.await.map(drop)?;
            }
        }
        Err(cancelled(about))
    }

    /// Asks the daemon to stop an operation until it takes the order: a download becomes
    /// cancellable only once the transfer runs, an unpack or a snapshot never does and is waited for.
    async fn cancel(&self, id: &str, about: &About) -> Result<()> {
        let path = format!("/1.0/operations/{id}");
        loop {
            let reply = self.send(&Ask::new(Method::DELETE, &path), about).await?;
            if reply.envelope.kind != "error" || reply.status == StatusCode::NOT_FOUND {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }

    /// The operation in an answer. In a cluster the URL ends in `?project=NAME`, and what is
    /// appended to that asks for something else; the id in the body is always right.
    pub(super) fn started(&self, reply: &Reply, about: &About) -> Result<Operation> {
        let raw = reply.envelope.metadata.as_deref().map_or("null", |m| m.get());
        let mut operation: Operation = serde_json::from_str::<Option<Operation>>(raw)
            .map_err(|e| self.protocol(about, &e.to_string()))?
            .unwrap_or_default();
        if operation.id.is_empty() {
            let url = reply.envelope.operation.split('?').next().unwrap_or_default();
            url.rsplit('/')
                .next()
                .unwrap_or_default()
                .clone_into(&mut operation.id);
        }
        let sane = |id: &str| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if sane(&operation.id) {
            Ok(operation)
        } else {
            Err(self.protocol(about, "an operation without an id"))
        }
    }

    /// Waits until an operation ended, well or not. Each slice has a deadline, the whole has none.
    pub(super) async fn wait(&self, id: &str, about: &About) -> Result<Operation> {
        let path = format!(
            "/1.0/operations/{id}/wait?timeout={}",
            self.deadlines.slice.as_secs().max(1)
        );
        let ask = Ask {
            deadline: Some(self.deadlines.slice + self.deadlines.of(&Method::GET)),
            silence: self.deadlines.slice,
            ..Ask::new(Method::GET, &path)
        };
        loop {
            let asked = Instant::now();
            let reply = self.send(&ask, about).await.map_err(|error| match error {
                // It took the order before: this is not a daemon that is not there.
                Error::Unreachable { reason, .. } => self.lost(about, &reason),
                other => other,
            })?;
            let operation = if reply.envelope.kind == "error" {
                self.look_again(id, &reply, about).await?
            } else {
                self.started(&reply, about)?
            };
            if operation.ended() {
                return Ok(operation);
            }
            if asked.elapsed() < PAUSE {
                sleep(PAUSE).await;
            }
        }
    }

    /// Incus answers a wait for a failed operation with an error instead of the operation, and so
    /// does either for an operation that it does not know (any more): look at the operation itself.
    async fn look_again(&self, id: &str, told: &Reply, about: &About) -> Result<Operation> {
        let path = format!("/1.0/operations/{id}");
        let reply = self.send(&Ask::new(Method::GET, &path), about).await?;
        if reply.envelope.kind != "error" {
            return self.started(&reply, about);
        }
        if told.status == StatusCode::NOT_FOUND && told.envelope.error.contains("peration not found") {
            return Err(self.lost(
                about,
                "it no longer knows the operation; it was probably restarted",
            ));
        }
        Ok(Operation {
            id: id.to_owned(),
            status_code: 400,
            err: told.envelope.error.clone(),
            metadata: Value::Null,
        })
    }

    /// An operation that ended well, or why not.
    pub(super) fn finished(operation: Operation, about: &About) -> Result<Operation> {
        match operation.status_code {
            200 => Ok(operation),
            401 => Err(about.no("somebody else cancelled it")),
            _ => Err(about.refused(0, &operation.err)),
        }
    }
}

/// The user stopped it.
pub(super) fn cancelled(about: &About) -> Error {
    Error::Cancelled {
        what: about.what.clone(),
    }
}

/// The next text of a websocket; none once it ended. Never ready without a websocket.
async fn next(events: &mut Option<Socket>) -> Option<String> {
    let Some(socket) = events else {
        return std::future::pending().await;
    };
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Some(text.to_string()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

/// What was told of an operation so far.
#[derive(Default)]
struct News {
    /// By kind of progress: the highest percent. The daemon's numbers jitter (79, 78, 80).
    highest: BTreeMap<String, u8>,
    last: String,
}

impl News {
    /// Tells what an event says of the operation.
    fn tell(&mut self, event: &str, id: &str, progress: &Progress) {
        let Ok(event) = serde_json::from_str::<Event>(event) else {
            return;
        };
        if event.kind != "operation" || event.metadata.get("id").and_then(Value::as_str) != Some(id) {
            return;
        }
        let Some(told) = event.metadata.get("metadata").and_then(Value::as_object) else {
            return;
        };
        let texts = told
            .iter()
            .filter(|(key, _)| key.ends_with("_progress"))
            .filter_map(|(key, value)| Some((key, value.as_str()?)))
            .filter(|(_, text)| !text.is_empty());
        for (key, text) in texts {
            if self.last == text {
                continue;
            }
            text.clone_into(&mut self.last);
            let percent = percent(text).map(|now| {
                let highest = self.highest.entry(key.clone()).or_insert(now);
                *highest = (*highest).max(now);
                *highest
            });
            progress.say(fold(text), percent);
        }
    }
}

/// The percent in a text as `rootfs: 31% (7.94MB/s)`.
fn percent(text: &str) -> Option<u8> {
    let (before, _) = text.split_once('%')?;
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|p| *p <= 100)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::{News, percent};
    use crate::backend::Progress;

    #[test]
    fn percent_is_read_from_prose() {
        assert_eq!(percent("rootfs: 31% (7.94MB/s)"), Some(31));
        assert_eq!(percent("Unpack: 100%"), Some(100));
        assert_eq!(percent("1.72GB (50.37MB/s)"), None);
        assert_eq!(percent("400%"), None);
    }

    #[test]
    fn news_of_others_are_dropped_and_percent_never_goes_back() {
        let (sink, mut heard) = mpsc::unbounded_channel();
        let progress = Progress {
            sink: Some(sink),
            ..Progress::default()
        };
        let mut news = News::default();
        let event = |id: &str, text: &str| {
            format!(
                r#"{{"type":"operation","metadata":{{"id":"{id}","metadata":{{"download_progress":"{text}"}}}}}}"#
            )
        };
        for (id, text) in [
            ("a", "79%"),
            ("b", "99%"),
            ("a", "78%"),
            ("a", "78%"),
            ("a", "80%"),
        ] {
            news.tell(&event(id, text), "a", &progress);
        }
        news.tell("garbage", "a", &progress);
        drop(progress);
        let mut all = vec![];
        while let Ok((text, percent)) = heard.try_recv() {
            all.push((text, percent.unwrap()));
        }
        assert_eq!(all, [("79%".into(), 79), ("78%".into(), 79), ("80%".into(), 80)]);
    }
}
