//! What is left of a job that nobody goes on with: its log in a lab that was stopped, its command where it never began.

use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use super::{
    Result, Status, Watch, Writer,
    inside::FOLDER,
    watch::{SHORTEST, add},
};
use crate::backend;

impl Watch<'_> {
    /// Nobody will begin it any more: who asked for it was ended. Its command may hold secrets, and is removed; an attempt
    /// before it stands.
    pub(super) async fn never_began(&mut self, writer: &mut Writer) -> Result<bool> {
        if !self.inside().clear().await.unwrap_or(false) {
            // It runs after all, or the engine is away.
            sleep(SHORTEST).await;
            return Ok(false);
        }
        if writer.status().attempt > 0 {
            self.mirror.set_asked_for(None)?;
            return Ok(false);
        }
        writer.lost(
            "it never began: halolab was ended before it could start it, and its command was removed",
        )?;
        Ok(true)
    }

    /// Reads what a stopped lab still holds: its last word, and the rest of the log. How many bytes of that could not be
    /// read, as far as they are known; none where all of it is here.
    pub(super) async fn salvage(&mut self, writer: &mut Writer) -> Result<Option<u64>> {
        let name = self.mirror.job.container.clone();
        let file = |name: &str| format!("{FOLDER}/{}/{name}", self.mirror.id());
        let mut length = writer.status().log.bytes;
        if let Ok(line) = self.backend.pull(&name, &file("status.json")).await {
            let line = line.trim_ascii_end();
            let told = Status::parse(line, self.mirror.id().as_str());
            length = told.map_or(length, |status| length.max(status.log.bytes));
            writer.told(line)?;
        }
        let (mut hash, mut at, have) = (Sha256::new(), 0_u64, writer.length());
        let grown = &mut *self.grown;
        let mut take = |bytes: &[u8]| {
            hash.update(bytes);
            let known = usize::try_from(have.saturating_sub(at)).unwrap_or(usize::MAX);
            at += bytes.len() as u64;
            if let Some(more) = bytes.get(known..).filter(|more| !more.is_empty()) {
                add(writer, more, grown);
            }
        };
        let read = self.backend.pull_pieces(&name, &file("log.raw"), &mut take).await;
        writer.check()?;
        match read {
            Ok(()) => {
                let times = self.backend.pull(&name, &file("log.raw.times")).await;
                add_times(writer, &times.unwrap_or_default());
                writer.verify(at, &hex::encode(hash.finalize()))?;
                Ok(None)
            }
            // The lab was put back before it was stopped: there is none.
            Err(backend::Error::Missing { .. }) => Ok(None),
            Err(error) => {
                tracing::debug!(%error, job = %self.mirror.id(), "the rest of its log stays in its lab");
                (self.notice)(Some(&error.to_string()));
                Ok(Some(length.saturating_sub(writer.length())))
            }
        }
    }
}

/// Takes the times that are not here yet out of the lab's own file.
fn add_times(writer: &mut Writer, all: &[u8]) {
    let mut next = writer.status().log.times;
    let known = usize::try_from(next).unwrap_or(usize::MAX);
    for line in all
        .get(known..)
        .unwrap_or_default()
        .split_inclusive(|b| *b == b'\n')
    {
        let Some(text) = line.strip_suffix(b"\n") else {
            return;
        };
        next += line.len() as u64;
        let told = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.split_once(' '));
        let told = told.and_then(|(ms, bytes)| Some((ms.parse().ok()?, bytes.parse().ok()?)));
        writer.time(next, told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::{Backend as _, InstanceSpec, Power, Progress, fake::Fake},
        job::{JobFile, JobId, Mirror, State},
    };

    const ID: &str = "cmd-1-2";

    /// A lab with files of a job, and what is known of that here.
    async fn lab(folder: &std::path::Path, files: &[(&str, &[u8])]) -> (Fake, Mirror) {
        let fake = Fake::new().with_image("lab/bb");
        let spec = InstanceSpec {
            name: "lab".into(),
            image: "lab/bb".into(),
            ..InstanceSpec::default()
        };
        fake.create(&spec, &Progress::default()).await.unwrap();
        fake.power("lab", Power::Start).await.unwrap();
        for (name, bytes) in files {
            let path = format!("{FOLDER}/{ID}/{name}");
            fake.push("lab", &path, bytes, 0o600, (0, 0)).await.unwrap();
        }
        let job = JobFile {
            container: "lab".into(),
            engine: fake.server().await.unwrap().address,
            ..JobFile::default()
        };
        let mirror = Mirror::create(folder, &JobId::parse(ID).unwrap(), job).unwrap();
        (fake, mirror)
    }

    async fn ended(fake: &Fake, mirror: &Mirror) -> Status {
        let mut watch = Watch {
            backend: fake,
            mirror,
            cancel: tokio_util::sync::CancellationToken::new(),
            patience: None,
            notice: &mut |_| {},
            grown: &mut || {},
        };
        watch.to_the_end().await.unwrap()
    }

    fn line(state: &str) -> Vec<u8> {
        format!(
            r#"{{"schema":"halolab.job/1","job":"{ID}","state":"{state}","attempt":1,"exit":{{"code":3}},"log":{{"bytes":6}}}}"#
        )
        .into_bytes()
    }

    #[tokio::test]
    async fn what_a_stopped_lab_holds_is_fetched_however_long_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let log = vec![b'x'; 3 << 20];
        let (fake, mirror) = lab(folder.path(), &[("log.raw", &log)]).await;
        assert!(mirror.writer().unwrap().unwrap().append(b"xx"));
        fake.set_status("lab", backend::Status::Stopped);
        let status = ended(&fake, &mirror).await;
        assert_eq!((status.state, status.whole), (State::Lost, true));
        assert!(std::fs::read(mirror.log()).unwrap() == log);
    }

    #[test]
    fn a_rest_that_could_not_be_fetched_is_told_and_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let id = JobId::parse(ID).unwrap();
        let mirror = Mirror::create(folder.path(), &id, JobFile::default()).unwrap();
        let mut writer = mirror.writer().unwrap().unwrap();
        writer.told(&line("running")).unwrap();
        writer
            .lost_but("the lab was stopped while it ran", Some(5))
            .unwrap();
        let status = mirror.status();
        assert!(!status.is_over(), "it is asked for again");
        assert!(status.ending().contains("5 bytes"), "{}", status.ending());
        // The lab runs again, and its last word there is old.
        writer.told(&line("running")).unwrap();
        assert_eq!(mirror.status().state, State::Lost);
        writer.lost("its runner is gone").unwrap();
        let status = mirror.status();
        assert!(status.is_over());
        assert_eq!(status.ending(), "the lab was stopped while it ran");
    }

    #[tokio::test]
    async fn what_never_began_says_so_and_leaves_no_command() {
        let folder = tempfile::tempdir().unwrap();
        let (fake, mirror) = lab(folder.path(), &[("spec", b"secret")]).await;
        let status = ended(&fake, &mirror).await;
        assert_eq!(status.state, State::Lost);
        assert!(status.ending().contains("never began"), "{}", status.ending());
        let files = fake.machine("lab").unwrap().files;
        assert!(!files.contains_key(&format!("{FOLDER}/{ID}/spec")));
    }

    #[tokio::test]
    async fn where_a_further_attempt_never_began_the_one_before_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let failed = line("failed");
        let files: [(&str, &[u8]); 3] = [
            ("spec", b"secret"),
            ("status.json", &failed),
            ("log.raw", b"first\n"),
        ];
        let (fake, mirror) = lab(folder.path(), &files).await;
        mirror.writer().unwrap().unwrap().told(&failed).unwrap();
        mirror.set_asked_for(Some(2)).unwrap();
        assert_eq!(mirror.status().state, State::Queued);
        let status = ended(&fake, &mirror).await;
        assert_eq!(
            (status.state, status.attempt, status.whole),
            (State::Failed, 1, true)
        );
        let files = fake.machine("lab").unwrap().files;
        assert!(!files.contains_key(&format!("{FOLDER}/{ID}/spec")));
    }
}
