//! Images that an engine builds out of a stage's files: the text that was agreed to, in a folder that is made for it.

use std::{
    collections::BTreeMap,
    io,
    path::{Component, Path},
};

use crate::backend::docker::{Build, BuildEvent};

use super::{DID, Ended, Failure, Hand, SKIPPED};

impl Hand<'_> {
    /// Each step and what it writes go into the lab's log as they come.
    pub(super) async fn build_image(&mut self, build: &Build, files: &BTreeMap<String, String>) -> Ended {
        let backend = self.backend().await?;
        // Another attempt built it, and only the journal's line is missing.
        if self.again && backend.image(&build.alias).await?.is_some() && !build.anew {
            return SKIPPED;
        }
        self.note_image(backend, &build.alias).await?;
        let folder = self
            .worker
            .cx
            .cache
            .join("build")
            .join(format!("{}-{}", self.worker.run, self.lab));
        let failed = |error: io::Error| {
            Failure::Failed(format!(
                "cannot write the files of the build to {}: {error}",
                folder.display()
            ))
        };
        write(&folder, files).map_err(failed)?;
        let build = Build {
            context: folder.clone(),
            ..build.clone()
        };
        let output = &mut *self.output;
        let mut tell = |event: BuildEvent| match event {
            BuildEvent::Step { number, of, text } => {
                output.write(format!("Step {number}/{of} : {text}\n").as_bytes());
            }
            BuildEvent::Cached => output.write(b" ---> Using cache\n"),
            BuildEvent::Output(bytes) => output.write(&bytes),
        };
        let built = backend.build_image(&build, &mut tell, &self.progress).await;
        // Copies of what the plan holds.
        let _ = std::fs::remove_dir_all(&folder);
        let built = built?;
        self.output.line(&format!(
            "    built {} of {} steps, {} from the cache: {} is {}",
            built.steps.saturating_sub(built.cached),
            built.steps,
            built.cached,
            build.alias,
            built.fingerprint
        ));
        DID
    }
}

/// Writes files below a folder, which holds nothing else then. A script is one that can be started.
fn write(folder: &Path, files: &BTreeMap<String, String>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir_all(folder)?;
    for (name, text) in files {
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if !Path::new(name).components().all(plain) {
            return Err(io::Error::other(format!(
                "`{}` leads out of it",
                name.escape_debug()
            )));
        }
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, text)?;
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn files_are_written_as_they_are_and_nothing_leads_out() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("x");
        let of = |name: &str, text: &str| [(name.to_owned(), text.to_owned())].into();
        write(&folder, &of("old", "")).unwrap();
        write(&folder, &of("a/run.sh", "#!/bin/sh\n")).unwrap();
        let file = folder.join("a/run.sh");
        assert_eq!(
            std::fs::metadata(file).unwrap().permissions().mode() & 0o777,
            0o755
        );
        assert!(!folder.join("old").exists());
        for name in ["../out", "/out", "a/../../out"] {
            assert!(write(&folder, &of(name, "")).is_err(), "{name}");
        }
        assert!(!home.path().join("out").exists());
    }
}
