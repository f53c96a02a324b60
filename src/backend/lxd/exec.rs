//! Commands inside an instance, without a terminal: output as it comes, exit code at the end.

use futures_util::{SinkExt as _, StreamExt as _, future::try_join4};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{
    Lxd,
    instances::{about, check_known, path},
    operation::cancelled,
    transport::{About, Ask, Socket},
};
use crate::backend::{ExecSpec, Output, Progress, Result, Status};

impl Lxd {
    /// An instance that is frozen would never answer.
    pub(super) async fn must_run(&self, name: &str, about: &About) -> Result<()> {
        check_known(name, about)?;
        let found: crate::backend::Instance = self.read_instance(name).await?.into();
        match found.status {
            Status::Running => Ok(()),
            Status::Frozen => Err(about.no(format!("`{name}` is frozen; stop it and start it again"))),
            _ => Err(about.no(format!(
                "`{name}` does not run; start it with `halolab start {name}`"
            ))),
        }
    }

    /// Starts a command; the operation's id and the secrets of its sockets.
    pub(super) async fn start_command(
        &self,
        name: &str,
        spec: &ExecSpec,
        interactive: bool,
        about: &About,
    ) -> Result<(String, Value)> {
        let mut body = json!({
            "command": spec.argv, "environment": spec.env, "user": spec.uid, "group": 0,
            "wait-for-websocket": true, "interactive": interactive,
        });
        if let Some(object) = body.as_object_mut() {
            if !spec.cwd.is_empty() {
                object.insert("cwd".into(), json!(spec.cwd));
            }
            if interactive {
                object.insert("width".into(), json!(spec.size.0));
                object.insert("height".into(), json!(spec.size.1));
            }
        }
        let url = format!("{}/exec", path(name));
        let reply = self
            .transport
            .ask(&Ask::with(Method::POST, &url, &body), about)
            .await?;
        let started = self.transport.started(&reply, about)?;
        let fds = started.metadata.get("fds").cloned().unwrap_or_default();
        Ok((started.id, fds))
    }

    /// One of the command's sockets.
    pub(super) async fn command_socket(
        &self,
        id: &str,
        fds: &Value,
        fd: &str,
        about: &About,
    ) -> Result<Socket> {
        let secret = fds.get(fd).and_then(Value::as_str).unwrap_or_default();
        self.transport
            .websocket(&format!("/1.0/operations/{id}/websocket?secret={secret}"), about)
            .await
    }

    /// The exit code of a command that ended.
    pub(super) async fn exit_code(&self, id: &str, about: &About) -> Result<i32> {
        let ended = self.transport.wait(id, about).await?;
        let code = ended.metadata.get("return").and_then(Value::as_i64);
        match code {
            // 126 and 127 (not executable, not found) come as failed operations with a code.
            Some(code) if ended.status_code == 200 || code > 0 => Ok(i32::try_from(code).unwrap_or(255)),
            _ => {
                self.transport.finished(ended, about)?;
                Err(self
                    .transport
                    .protocol(about, "the command ended without an exit code"))
            }
        }
    }

    /// Runs a command.
    pub(super) async fn run_command(
        &self,
        name: &str,
        spec: &ExecSpec,
        output: Output<'_>,
        progress: &Progress,
    ) -> Result<i32> {
        let program = spec.argv.first().map_or("", String::as_str);
        let about = about(&format!("run {program} in"), name);
        self.must_run(name, &about).await?;
        let (id, fds) = self.start_command(name, spec, false, &about).await?;
        // The command starts only once all four are connected.
        let (mut control, mut stdin, mut stdout, mut stderr) = try_join4(
            self.command_socket(&id, &fds, "control", &about),
            self.command_socket(&id, &fds, "0", &about),
            self.command_socket(&id, &fds, "1", &about),
            self.command_socket(&id, &fds, "2", &about),
        )
        .await?;
        // An empty text message is the end of a stream.
        let _ = stdin.send(Message::text("")).await;
        let (mut out_open, mut err_open, mut stopping) = (true, true, false);
        while out_open || err_open {
            tokio::select! {
                message = stdout.next(), if out_open => out_open = take(message, 1, output),
                message = stderr.next(), if err_open => err_open = take(message, 2, output),
                () = progress.cancel.cancelled(), if !stopping => {
                    stopping = true;
                    let signal = json!({"command": "signal", "signal": 15}).to_string();
                    let _ = control.send(Message::text(signal)).await;
                }
                () = tokio::time::sleep(std::time::Duration::from_secs(5)), if stopping => break,
            }
        }
        if stopping {
            let signal = json!({"command": "signal", "signal": 9}).to_string();
            let _ = control.send(Message::text(signal)).await;
            drop((control, stdin, stdout, stderr));
            let _ =
                tokio::time::timeout(std::time::Duration::from_secs(5), self.exit_code(&id, &about)).await;
            return Err(cancelled(&about));
        }
        let code = self.exit_code(&id, &about).await;
        drop(control);
        code
    }
}

/// Passes output on; false at the end of the stream.
fn take(
    message: Option<std::result::Result<Message, tokio_tungstenite::tungstenite::Error>>,
    fd: u8,
    output: &mut (dyn FnMut(u8, &[u8]) + Send),
) -> bool {
    match message {
        Some(Ok(Message::Binary(bytes))) => {
            output(fd, &bytes);
            true
        }
        Some(Ok(Message::Text(_) | Message::Close(_)) | Err(_)) | None => false,
        Some(Ok(_)) => true,
    }
}
