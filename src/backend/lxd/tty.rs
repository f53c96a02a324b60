//! A terminal inside an instance.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::tungstenite::Message;

use super::{
    Lxd,
    exec::{self, Ready},
    transport::About,
    websocket::Socket,
    wire::Operation,
};
use crate::backend::{ExecSpec, Result, TtyInput};

impl Lxd {
    /// Runs a command on a terminal until it ends or nobody listens any more.
    pub(super) async fn run_terminal(
        &self,
        name: &str,
        spec: &ExecSpec,
        input: mpsc::Receiver<TtyInput>,
        output: mpsc::Sender<Vec<u8>>,
    ) -> Result<i32> {
        let about = exec::about(name, spec);
        let ready = self.prepare(name, spec, &about, Some(spec.size)).await?;
        let (data, control) = (ready.socket("0"), ready.socket("control"));
        let (mut data, mut control) = tokio::try_join!(
            self.transport.websocket(&data, &about),
            self.transport.websocket(&control, &about),
        )?;
        converse(&mut data, &mut control, input, &output).await;
        // The daemon ends the operation only once the client has closed its sockets.
        let _ = data.close(None).await;
        let _ = control.close(None).await;
        drop((data, control));
        let ended = self.end_terminal(name, &ready, &about).await?;
        let mut words = vec![];
        let code = self.exit_code(&ended, &about, &mut |_, bytes| words.extend_from_slice(bytes));
        if !words.is_empty() {
            let _ = output.send(words).await;
        }
        code
    }

    /// Waits until the program behind a closed terminal has ended. One that was closed before it
    /// began does not hear of it (seen on a loaded LXD 5.0) and is told.
    async fn end_terminal(&self, name: &str, ready: &Ready, about: &About) -> Result<Operation> {
        for signal in ["HUP", "KILL"] {
            if let Ok(ended) = timeout(exec::GRACE, self.transport.wait(&ready.id, about)).await {
                return ended;
            }
            self.signal_all(name, signal, &ready.mark).await;
        }
        let ended = timeout(exec::GRACE, self.transport.wait(&ready.id, about)).await;
        ended.map_err(|_| self.transport.timeout(about, exec::GRACE))?
    }
}

/// Carries keys in and bytes out until either side ends.
async fn converse(
    data: &mut Socket,
    control: &mut Socket,
    mut input: mpsc::Receiver<TtyInput>,
    output: &mpsc::Sender<Vec<u8>>,
) {
    let mut typing = true;
    loop {
        tokio::select! {
            message = data.next() => match message {
                Some(Ok(Message::Binary(bytes))) => if output.send(bytes.into()).await.is_err() {
                    return;
                },
                // An empty text frame is the end; so is a socket that closes or breaks.
                Some(Ok(Message::Text(text))) if !text.is_empty() => {
                    if output.send(text.as_bytes().to_vec()).await.is_err() {
                        return;
                    }
                }
                Some(Ok(Message::Text(_) | Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            typed = input.recv(), if typing => {
                let sent = match typed {
                    Some(TtyInput::Bytes(bytes)) => data.send(Message::binary(bytes)).await,
                    Some(TtyInput::Resize(columns, rows)) => control.send(resize(columns, rows)).await,
                    None => {
                        typing = false;
                        Ok(())
                    }
                };
                if sent.is_err() {
                    return;
                }
            }
            () = output.closed() => return,
        }
    }
}

/// The order that tells the terminal its new size; the daemons want numbers as text.
fn resize(columns: u16, rows: u16) -> Message {
    let args = json!({ "width": columns.to_string(), "height": rows.to_string() });
    Message::text(json!({ "command": "window-resize", "args": args }).to_string())
}
