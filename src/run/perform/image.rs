//! Images: fetched, built or imported, and only those that were announced or pinned.

use std::{io::Read as _, path::Path};

use sha2::{Digest as _, Sha256};

use crate::{
    backend::{Backend, Engine, Error, RemoteImage, simplestreams, types::short_fingerprint},
    host::bootstrap,
    plan::Step,
};

use super::{DID, Ended, Failure, Hand, SKIPPED};

impl Hand<'_> {
    pub(super) async fn image(&mut self, step: &Step) -> Ended {
        let backend = self.backend().await?;
        match step {
            Step::PullImage {
                source,
                alias,
                certificate,
                refresh,
            } => {
                if !refresh && backend.image(alias).await?.is_some() {
                    return SKIPPED;
                }
                self.note_image(backend, alias).await?;
                let mut source = RemoteImage {
                    certificate: read(certificate.as_deref())?,
                    ..source.clone()
                };
                // A registry names what it has by itself; there is no list of it beside.
                if self.engine == Engine::Lxd {
                    self.expect(&mut source).await?;
                }
                backend
                    .pull_image(&source, alias, &self.progress)
                    .await
                    .map_err(|e| remote_failed(&source, e))?;
            }
            Step::Bootstrap { alias, refresh, .. } => {
                if !refresh && backend.image(alias).await?.is_some() {
                    return SKIPPED;
                }
                self.note_image(backend, alias).await?;
                self.build(backend, step).await?;
            }
            Step::ImportImage {
                file,
                alias,
                fingerprint,
            } => {
                let found = backend.image(alias).await?;
                let pinned = fingerprint.as_deref();
                if found.is_some_and(|found| pinned.is_none_or(|pinned| pinned == found.fingerprint)) {
                    return SKIPPED;
                }
                self.note_image(backend, alias).await?;
                if let Some(pinned) = pinned {
                    compare(file, pinned).await?;
                }
                backend.import_image(file, alias, &self.progress).await?;
            }
            _ => return DID,
        }
        if let Step::PullImage { alias, .. } | Step::Bootstrap { alias, .. } | Step::ImportImage { alias, .. } =
            step
            && let Some(found) = backend.image(alias).await?
        {
            self.output
                .line(&format!("    the daemon holds {alias} as {}", found.fingerprint));
        }
        DID
    }

    /// Asks the server which fingerprints it announces: only those are taken then, and what a stage pins must be among
    /// them. Where it cannot be asked from here, that is said, and a pin alone counts.
    async fn expect(&mut self, source: &mut RemoteImage) -> Result<(), Failure> {
        let announced = tokio::select! {
            announced = simplestreams::announced(source) => announced,
            () = self.progress.cancel.cancelled() => return Err(Failure::Cancelled),
        };
        let announced = match announced {
            Ok(announced) => announced,
            Err(error) => {
                self.output.line(&format!(
                    "    what the server announces was not compared with what comes: {error}"
                ));
                return Ok(());
            }
        };
        let newest = announced.first().map_or("", |newest| short_fingerprint(newest));
        self.output.line(&format!(
            "    {} announces {} as {newest}",
            source.server, source.alias
        ));
        let Some(pinned) = source.fingerprints.first() else {
            source.fingerprints = announced;
            return Ok(());
        };
        if announced.contains(pinned) {
            return Ok(());
        }
        Err(Failure::Blocked(format!(
            "the stage takes only the image {} with the fingerprint {pinned}, and {} announces {newest} and no such one; \
             nothing was fetched. Choose another image (`--set image=…`), or write the new fingerprint into the stage",
            source.alias, source.server
        )))
    }

    async fn build(&mut self, backend: &dyn Backend, step: &Step) -> Result<(), Failure> {
        let Step::Bootstrap {
            distribution,
            suite,
            packages,
            alias,
            refresh,
        } = step
        else {
            return Ok(());
        };
        let recipe = bootstrap::Recipe {
            distribution,
            suite,
            packages,
            refresh: *refresh,
        };
        let output = &mut *self.output;
        let cache = &self.worker.cx.cache;
        let built = bootstrap::build(&recipe, cache, &mut |b| output.write(b), &self.progress.cancel).await;
        let file = match built {
            Err(_) if self.progress.cancel.is_cancelled() => return Err(Failure::Cancelled),
            built => built.map_err(|e| Failure::Failed(e.to_string()))?,
        };
        backend.import_image(&file, alias, &self.progress).await?;
        Ok(())
    }
}

/// Refuses an image file that is not the one that a stage takes.
async fn compare(file: &Path, pinned: &str) -> Result<(), Failure> {
    let path = file.to_owned();
    let hashed = tokio::task::spawn_blocking(move || hash(&path)).await;
    let unreadable = |why: String| Failure::Failed(format!("cannot read {}: {why}", file.display()));
    let found = hashed
        .map_err(|e| unreadable(e.to_string()))?
        .map_err(|e| unreadable(e.to_string()))?;
    if found == pinned {
        return Ok(());
    }
    Err(Failure::Blocked(format!(
        "{} has the SHA-256 {found}, and the stage takes only {pinned}; nothing was imported. Give the right file with \
         `--set image_file=PATH`",
        file.display()
    )))
}

fn hash(file: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(file)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut piece)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok(hex::encode(hasher.finalize()));
        };
        hasher.update(bytes);
    }
}

fn read(file: Option<&Path>) -> Result<Option<String>, Failure> {
    let failed = |f: &Path, e: std::io::Error| Failure::Failed(format!("cannot read {}: {e}", f.display()));
    file.map(|f| std::fs::read_to_string(f).map_err(|e| failed(f, e)))
        .transpose()
}

fn remote_failed(source: &RemoteImage, error: Error) -> Failure {
    match error {
        Error::Cancelled { .. } => Failure::Cancelled,
        error @ Error::Fingerprint { .. } => Failure::Failed(error.to_string()),
        other => Failure::Failed(format!(
            "the image {} could not be fetched from {}: {other}; choose an image that is built here (`--set image=…`, \
             see `halolab stage show`), or another server in `[remotes]` of config.toml",
            source.alias, source.server
        )),
    }
}
