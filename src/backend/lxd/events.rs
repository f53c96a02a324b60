//! That something changed on the daemon, so that nobody has to poll it.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    sync::mpsc,
    time::{Instant, interval},
};
use tokio_tungstenite::tungstenite::Message;

use super::{Lxd, transport::About, websocket::Socket};
use crate::backend::Result;

/// How often the daemon is pinged, and twice that is how long it may be silent. Without it a cut
/// network line looks like a quiet daemon for ever.
const PING: Duration = Duration::from_secs(20);

impl Lxd {
    /// A unit for each change; several changes in a row may come as one.
    pub(super) async fn hear_events(&self) -> Result<mpsc::Receiver<()>> {
        let about = About::new("tell its events", "events");
        let socket = self
            .transport
            .websocket("/1.0/events?type=lifecycle", &about)
            .await?;
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(hear(socket, sender));
        Ok(receiver)
    }
}

/// Passes events on until one of the two ends goes away.
async fn hear(mut socket: Socket, sender: mpsc::Sender<()>) {
    let mut ping = interval(PING);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            () = sender.closed() => return,
            _ = ping.tick() => {
                if heard.elapsed() > PING * 2 || socket.send(Message::Ping(vec![].into())).await.is_err() {
                    return;
                }
            }
            message = socket.next() => {
                heard = Instant::now();
                match message {
                    // A unit that was not fetched yet says the same as this one.
                    Some(Ok(Message::Text(_))) => drop(sender.try_send(())),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => {}
                }
            }
        }
    }
}
