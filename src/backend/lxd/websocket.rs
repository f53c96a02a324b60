//! Websockets to the daemon.

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use reqwest::Method;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    time::sleep,
};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::transport::{About, PAUSE, Target, Transport};
use crate::backend::Result;

/// A byte stream to the daemon.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A websocket to the daemon.
pub(super) type Socket = WebSocketStream<ReadsOn>;

/// A stream that can be read to its end after the other side has closed it.
///
/// The daemons send a ping, the output of a short command and the end, and close. Answering the
/// ping fails then, and a websocket that fails to write reads no more: the output would be lost
/// (measured: once in 300 commands, on a loaded machine once in 15). What cannot be written any
/// more is dropped here instead; whoever reads sees the end soon enough.
pub(super) struct ReadsOn {
    stream: Box<dyn Stream>,
    deaf: bool,
}

impl ReadsOn {
    fn new(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            deaf: false,
        }
    }

    /// Turns a failure into a success with nothing behind it.
    fn pretend<T>(&mut self, done: Poll<io::Result<T>>, success: T) -> Poll<io::Result<T>> {
        match done {
            Poll::Ready(Err(_)) => {
                self.deaf = true;
                Poll::Ready(Ok(success))
            }
            other => other,
        }
    }
}

impl AsyncRead for ReadsOn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for ReadsOn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        let done = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.pretend(done, bytes.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        let done = Pin::new(&mut self.stream).poll_flush(cx);
        self.pretend(done, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.pretend(done, ())
    }
}

/// Connects as soon as the daemon takes one caller more.
async fn connect(socket: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(socket).await {
            Err(full) if full.kind() == io::ErrorKind::WouldBlock => sleep(PAUSE).await,
            connected => return connected,
        }
    }
}

impl Transport {
    /// Opens a websocket.
    pub(super) async fn websocket(&self, path: &str, about: &About) -> Result<Socket> {
        let limit = (self.deadlines.of(&Method::GET), Duration::ZERO);
        let opened = self.answer(about, limit, self.open(path)).await?;
        opened.map_err(|reason| self.lost(about, &reason))
    }

    /// Opens a websocket, without a deadline.
    async fn open(&self, path: &str) -> std::result::Result<Socket, String> {
        let say = |e: &dyn std::error::Error| e.to_string();
        let (stream, url): (Box<dyn Stream>, String) = match &self.target {
            Target::Unix(socket) => {
                let stream = connect(socket).await.map_err(|e| say(&e))?;
                (Box::new(stream), format!("ws://lxd{path}"))
            }
            Target::Https { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port))
                    .await
                    .map_err(|e| say(&e))?;
                stream.set_nodelay(true).map_err(|e| say(&e))?;
                let name = rustls::pki_types::ServerName::try_from(host.clone()).map_err(|e| say(&e))?;
                let stream = tokio_rustls::TlsConnector::from(Arc::clone(tls))
                    .connect(name, stream)
                    .await;
                (
                    Box::new(stream.map_err(|e| say(&e))?),
                    format!("wss://{host}:{port}{path}"),
                )
            }
        };
        client_async(url, ReadsOn::new(stream))
            .await
            .map(|(socket, _)| socket)
            .map_err(|e| say(&e))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio::net::UnixStream;
    use tokio_tungstenite::{accept_async, client_async, tungstenite::Message};

    use super::ReadsOn;

    #[tokio::test]
    async fn what_was_sent_before_the_end_is_read() {
        let (here, there) = UnixStream::pair().unwrap();
        let daemon = async {
            let mut socket = accept_async(there).await.unwrap();
            socket.send(Message::Ping("keepalive".into())).await.unwrap();
            socket.send(Message::binary(b"output".to_vec())).await.unwrap();
        };
        let (client, ()) = tokio::join!(client_async("ws://lxd/", ReadsOn::new(here)), daemon);
        let mut client = client.unwrap().0;
        let mut heard = vec![];
        while let Some(Ok(message)) = client.next().await {
            if let Message::Binary(bytes) = message {
                heard.extend_from_slice(&bytes);
            }
        }
        assert_eq!(heard, b"output");
    }
}
