//! The proof of a lab: our own program runs inside it, so that what is proven is what the lab's programs will get.
//! The verdict is stored on the lab, where each later snapshot takes it along.

use std::time::Duration;

use crate::{
    backend::{Backend, ConfigEdit, ExecSpec, Instance, Progress},
    host::passthrough::LINK_DRIVER,
    labs::{
        drift::Ground,
        gpus::{self, Gpus},
        tag,
        verdict::{Check, Verdict},
    },
    prove::{Grade, Report},
};

use super::{DID, Ended, Failure, Hand, SKIPPED, identity, instance::existing};

/// The prover ends by itself: three interfaces, each with its deadline. This is for a lab that does not answer.
const PATIENCE: Duration = Duration::from_mins(5);
/// Bytes that are kept of what it writes, of data and of messages each: a report has some kilobytes, and what runs in
/// the lab may be anything.
const MOST: usize = 1 << 20;

/// Where the script that links the driver's libraries is in a lab: its start needs it too.
const LINKER: &str = "/opt/halolab/link-driver";

impl Hand<'_> {
    /// Runs a kernel on every GPU that is passed in.
    pub(super) async fn prove(&mut self, name: &str) -> Ended {
        let backend = self.backend().await?;
        let instance = existing(backend, name).await?;
        let gpus = Gpus::of(&instance.expanded_devices, &instance.expanded_config);
        if gpus.is_empty() {
            // What was proven before a GPU was taken away proves nothing any more.
            let said = instance.tag("verdict").and_then(Verdict::read);
            if said.is_some_and(|verdict| verdict.grade.is_some_and(|grade| grade != Grade::CpuOnly)) {
                let verdict = self.fresh(backend, &instance).await?;
                self.keep(backend, name, &verdict).await?;
                return DID;
            }
            return SKIPPED;
        }
        let run = self.worker.run.to_owned();
        let linked = if gpus::mounts_driver(&instance.expanded_devices) {
            self.link_driver(backend, name).await
        } else {
            Ok(())
        };
        let ended = match linked {
            Ok(()) => self.report(backend, name, gpus.flag()).await,
            Err(failure) => Err(failure),
        };
        let ground = self.ground(backend).await?;
        let (verdict, problem) = match ended {
            Err(stop @ (Failure::Cancelled | Failure::Restart)) => return Err(stop),
            Err(Failure::Failed(why) | Failure::Blocked(why)) => (
                Verdict::without_gpu(Some(Grade::Failed), String::new(), &run).on(ground),
                Some(why),
            ),
            Ok(report) => {
                self.output.line(&crate::log::sanitize_text(&report.text()));
                (Verdict::of(&report, &run).on(ground), gpus.lacking(&report))
            }
        };
        let Some(problem) = problem else {
            self.keep(backend, name, &verdict).await?;
            return DID;
        };
        let problem = crate::log::sanitize(&problem);
        let verdict = Verdict {
            ok: false,
            grade: Some(Grade::Failed),
            problem: problem.chars().take(500).collect(),
            ..verdict
        };
        self.keep(backend, name, &verdict).await?;
        Err(Failure::Failed(format!("the GPU is not proven: {problem}")))
    }

    /// Links the driver's own libraries out of the host's folder, which must not be searched as a whole.
    async fn link_driver(&mut self, backend: &dyn Backend, name: &str) -> Result<(), Failure> {
        self.progress
            .say(format!("linking the driver's libraries in {name}"), None);
        let script = LINK_DRIVER.as_bytes();
        backend.push(name, LINKER, script, 0o755, (0, 0)).await?;
        let spec = ExecSpec {
            argv: vec!["/bin/sh".into(), LINKER.into()],
            ..ExecSpec::default()
        };
        let mut said = vec![];
        let mut take = |_: u8, bytes: &[u8]| said.extend_from_slice(bytes);
        let code = backend.exec(name, &spec, &mut take, &self.progress).await?;
        if code == 0 {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().last().unwrap_or("it said nothing");
        Err(Failure::Failed(format!(
            "the driver's libraries cannot be linked in {name}: {}",
            crate::log::sanitize(last)
        )))
    }

    /// Adds what a check of the stage said to the proof of this run.
    pub(super) async fn checked(&mut self, name: &str, check: Check) -> Result<(), Failure> {
        let backend = self.backend().await?;
        let instance = existing(backend, name).await?;
        // Its script took its time.
        if let Some(why) = identity::replaced_by(&instance, self.lab, self.worker) {
            return Err(Failure::Blocked(why));
        }
        let mut verdict = match instance.tag("verdict").and_then(Verdict::read) {
            Some(verdict) if verdict.run == self.worker.run && verdict.stale.is_empty() => verdict,
            _ => self.fresh(backend, &instance).await?,
        };
        verdict.add(check);
        self.keep(backend, name, &verdict).await
    }

    async fn fresh(&self, backend: &dyn Backend, instance: &Instance) -> Result<Verdict, Failure> {
        let none = Gpus::of(&instance.expanded_devices, &instance.expanded_config).is_empty();
        let ground = self.ground(backend).await?;
        let grade = none.then_some(Grade::CpuOnly);
        Ok(Verdict::without_gpu(grade, ground.kernel.clone(), self.worker.run).on(ground))
    }

    /// What a proof stands on here; nothing is known of an engine on another machine.
    async fn ground(&self, backend: &dyn Backend) -> Result<Ground, Failure> {
        if !backend.server().await?.address.starts_with('/') {
            return Ok(Ground::default());
        }
        let looked = tokio::task::spawn_blocking(|| crate::host::probe(std::path::Path::new("/"))).await;
        Ok(looked.map(|facts| Ground::of(&facts)).unwrap_or_default())
    }

    async fn keep(&self, backend: &dyn Backend, name: &str, verdict: &Verdict) -> Result<(), Failure> {
        let edit = ConfigEdit {
            config: [(tag("verdict"), Some(verdict.stored()))].into(),
            ..ConfigEdit::default()
        };
        backend.edit(name, &edit).await?;
        self.worker.tell(crate::run::Event::Verdict {
            lab: self.lab.to_owned(),
            verdict: verdict.to_string(),
            ok: verdict.ok,
        });
        Ok(())
    }

    /// Puts our own program into the lab, runs it, and takes it out again.
    async fn report(&mut self, backend: &dyn Backend, name: &str, flag: &str) -> Result<Report, Failure> {
        let unread = |e: std::io::Error| Failure::Failed(format!("our own program cannot be read: {e}"));
        let program = tokio::fs::read("/proc/self/exe").await.map_err(unread)?;
        let path = format!("/root/.halolab-prove-{}", std::process::id());
        self.progress.say(format!("putting the prover into {name}"), None);
        let pushed = backend.push(name, &path, &program, 0o700, (0, 0)).await;
        drop(program);
        let ran = match pushed {
            Ok(()) => self.inside(backend, name, &path, flag).await,
            Err(error) => Err(error.into()),
        };
        // All of them: a halolab that was killed left one behind.
        let argv = ["/bin/sh", "-c", "rm -f -- /root/.halolab-prove-*"]
            .map(str::to_owned)
            .to_vec();
        let spec = ExecSpec {
            argv,
            ..ExecSpec::default()
        };
        // Not ours to cancel: a stopped run leaves nothing behind.
        let removed = backend
            .exec(name, &spec, &mut |_, _| {}, &Progress::default())
            .await;
        let report = ran?;
        match removed {
            Ok(0) => Ok(report),
            _ => Err(Failure::Failed(format!(
                "the prover could not be removed from {name}; delete {path} there"
            ))),
        }
    }

    async fn inside(
        &mut self,
        backend: &dyn Backend,
        name: &str,
        path: &str,
        flag: &str,
    ) -> Result<Report, Failure> {
        let argv = [path, "prove", "--json", "--inside", "--gpu", flag];
        let spec = ExecSpec {
            argv: argv.map(str::to_owned).to_vec(),
            cwd: "/root".into(),
            ..ExecSpec::default()
        };
        let (mut out, mut err, mut cut) = (vec![], vec![], false);
        let mut take = |fd: u8, bytes: &[u8]| {
            let pipe = if fd == 1 { &mut out } else { &mut err };
            cut |= !keep_some(pipe, bytes);
        };
        self.progress.say(format!("running a kernel in {name}"), None);
        let ended =
            tokio::time::timeout(PATIENCE, backend.exec(name, &spec, &mut take, &self.progress)).await;
        let late = || {
            Failure::Failed(format!(
                "the proof in {name} did not end within {} s",
                PATIENCE.as_secs()
            ))
        };
        let code = ended.map_err(|_| late())?;
        let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
        if cut {
            self.output
                .line("the prover wrote more than 1 MiB; what came after that is not kept");
        }
        let report = out.lines().rev().find_map(|line| serde_json::from_str(line).ok());
        if let Some(report) = report {
            return Ok(report);
        }
        self.output.line(&crate::log::sanitize_text(&err));
        if cut {
            return Err(Failure::Failed(format!(
                "the prover in {name} wrote more than 1 MiB and no report: something there writes in its place; look \
                 with `halolab shell {name}`"
            )));
        }
        match code {
            Ok(code) => Err(Failure::Failed(misfit(name, code, &err))),
            Err(crate::backend::Error::Cancelled { .. }) => Err(Failure::Cancelled),
            Err(error) => Err(Failure::Failed(misfit(name, 0, &error.to_string()))),
        }
    }
}

/// Adds bytes up to [`MOST`]; false where some are left out.
fn keep_some(pipe: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let room = MOST.saturating_sub(pipe.len());
    pipe.extend(bytes.iter().take(room));
    bytes.len() <= room
}

/// Why our program does not run in a lab, in words.
fn misfit(name: &str, code: i32, said: &str) -> String {
    let last = crate::log::sanitize(said.lines().rfind(|l| !l.trim().is_empty()).unwrap_or_default());
    let choose = "choose an image of Debian 12, Ubuntu 24.04, Arch or newer";
    if said.contains("GLIBC_") {
        format!(
            "the C library in {name} is older than halolab needs ({last}); {choose}, or use an older halolab"
        )
    } else if said.contains("error while loading shared libraries") {
        format!("{name} lacks a library that halolab needs ({last}); install it there, and prove again")
    } else if code == 126 || said.contains("ormat error") {
        format!("{name} is of another processor than this halolab; use the halolab that was built for it")
    } else if code == 127 || said.contains("not found") || said.contains("No such file") {
        format!("{name} has no glibc, which halolab needs to look at GPUs; {choose}")
    } else {
        format!("the prover in {name} ended with {code} and no report: {last}")
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, keep_some};

    #[test]
    fn a_flood_is_cut_at_a_mebibyte() {
        let mut pipe = vec![];
        assert!(keep_some(&mut pipe, &vec![b'x'; MOST - 1]));
        assert!(!keep_some(&mut pipe, b"yz"));
        assert_eq!((pipe.len(), pipe.last()), (MOST, Some(&b'y')));
        assert!(!keep_some(&mut pipe, b"z"));
        assert_eq!(pipe.len(), MOST);
    }
}
