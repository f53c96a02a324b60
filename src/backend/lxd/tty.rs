//! A command on a terminal of its own inside an instance.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::{Lxd, instances::about};
use crate::backend::{ExecSpec, Result, TtyInput};

impl Lxd {
    /// Runs a command on a terminal until it ends or nobody reads its output.
    pub(super) async fn run_terminal(
        &self,
        name: &str,
        spec: &ExecSpec,
        mut input: mpsc::Receiver<TtyInput>,
        output: mpsc::Sender<Vec<u8>>,
    ) -> Result<i32> {
        let about = about("open a terminal in", name);
        self.must_run(name, &about).await?;
        let (id, fds) = self.start_command(name, spec, true, &about).await?;
        let mut data = self.command_socket(&id, &fds, "0", &about).await?;
        let mut control = self.command_socket(&id, &fds, "control", &about).await?;
        let mut typing = true;
        loop {
            tokio::select! {
                typed = input.recv(), if typing => match typed {
                    Some(TtyInput::Bytes(bytes)) => if data.send(Message::binary(bytes)).await.is_err() { break },
                    Some(TtyInput::Resize(columns, rows)) => {
                        let order = json!({"command": "window-resize", "args": {"width": columns.to_string(), "height": rows.to_string()}});
                        let _ = control.send(Message::text(order.to_string())).await;
                    }
                    None => typing = false,
                },
                message = data.next() => match message {
                    Some(Ok(Message::Binary(bytes))) => if output.send(bytes.to_vec()).await.is_err() { break },
                    Some(Ok(Message::Text(_) | Message::Close(_)) | Err(_)) | None => break,
                    Some(Ok(_)) => {}
                },
            }
        }
        // The operation stays "running" until we close (measured).
        let _ = data.close(None).await;
        let _ = control.close(None).await;
        drop((data, control));
        self.exit_code(&id, &about).await
    }
}
