//! The machine does not go to sleep while a run is at work, where systemd's logind is there to be asked.

use std::{
    io::{self, Read as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, Stdio},
};

/// Sleep is held off as long as this lives, and no longer than our process: what holds it waits for the end of a pipe
/// that closes with us, whatever ends us.
#[derive(Debug)]
pub(super) struct Awake(Option<(Child, ChildStdin)>);

impl Awake {
    /// Begins to hold sleep off. Where nobody can be asked, that is in the verbose log and nothing else happens.
    pub(super) fn keep(run: &str) -> Self {
        match hold(run) {
            Ok(held) => Self(Some(held)),
            Err(error) => {
                tracing::debug!(%error, "sleep is not held off: systemd-inhibit cannot be run");
                Self(None)
            }
        }
    }
}

fn hold(run: &str) -> io::Result<(Child, ChildStdin)> {
    #[expect(
        clippy::disallowed_methods,
        reason = "it has no end of its own, and ends with us by its pipe"
    )]
    let mut command = std::process::Command::new("systemd-inhibit");
    command
        .args(["--what=sleep", "--mode=block", "--who=halolab"])
        .arg(format!("--why=the run {run} is at work"))
        .arg("cat")
        .env_remove("HALOLAB_LXD_TOKEN")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Ctrl-C is meant for the run, which ends what it began first.
        .process_group(0);
    let mut child = command.spawn()?;
    let pipe = child
        .stdin
        .take()
        .ok_or_else(|| io::Error::other("it has no pipe"))?;
    Ok((child, pipe))
}

impl Drop for Awake {
    fn drop(&mut self) {
        let Some((mut child, pipe)) = self.0.take() else {
            return;
        };
        // It lets go at once, or was refused before. Who waits for a bus that does not answer waits without us.
        drop(pipe);
        std::thread::spawn(move || {
            let mut said = String::new();
            if let Some(mut error) = child.stderr.take() {
                let _ = error.read_to_string(&mut said);
            }
            if !child.wait().is_ok_and(|status| status.success()) {
                tracing::debug!(said = said.trim(), "sleep was not held off");
            }
        });
    }
}
