//! Promises about images.

use super::*;

/// An image file gets an alias; importing it again, or another one under the alias, moves the alias.
pub(crate) async fn images(backend: &dyn Backend, image: &str, name: &str) {
    let _ = image;
    let folder = tempfile::tempdir().unwrap();
    let file = |n: &str| {
        let path = folder.path().join(format!("{n}.tar.gz"));
        let root = folder.path().join(format!("{name}-{n}"));
        std::fs::create_dir_all(root.join("rootfs/etc")).unwrap();
        let metadata = format!(
            "architecture: x86_64\ncreation_date: 1700000000\nproperties: {{description: {name} {n}}}\n"
        );
        std::fs::write(root.join("metadata.yaml"), metadata).unwrap();
        std::fs::write(root.join("rootfs/etc/blob"), name.repeat(2000)).unwrap();
        let packed = tar(&root, &path);
        assert!(packed, "tar packs {}", path.display());
        path
    };
    let (one, two) = (file("one"), file("two"));
    let (sink, mut heard) = mpsc::unbounded_channel();
    let progress = Progress {
        sink: Some(sink),
        ..Progress::default()
    };
    backend.import_image(&one, name, &progress).await.unwrap();
    drop(progress);
    let mut last = None;
    while let Some((_, percent)) = heard.recv().await {
        last = percent.or(last);
    }
    assert_eq!(last, Some(100), "the upload is told to its end");
    let first = backend.image(name).await.unwrap().unwrap();
    assert_eq!(first.fingerprint.len(), 64);
    assert_eq!(
        backend.image(&first.fingerprint).await.unwrap().as_ref(),
        Some(&first)
    );
    backend.import_image(&one, name, &silent()).await.unwrap();
    assert_eq!(
        backend.image(name).await.unwrap().unwrap().fingerprint,
        first.fingerprint
    );
    backend.import_image(&two, name, &silent()).await.unwrap();
    let second = backend.image(name).await.unwrap().unwrap();
    assert_ne!(second.fingerprint, first.fingerprint);
    backend.delete_image(name).await.unwrap();
    assert_eq!(backend.image(name).await.unwrap(), None);
    assert_eq!(backend.image(&second.fingerprint).await.unwrap(), None);
    backend.delete_image(&first.fingerprint).await.unwrap();
    let gone = folder.path().join("gone.tar.gz");
    let error = backend.import_image(&gone, name, &silent()).await.unwrap_err();
    assert!(
        matches!(&error, Error::File { path, .. } if path.contains("gone.tar.gz")),
        "{error}"
    );
}

/// Packs a folder with the system's tar.
#[expect(clippy::disallowed_methods, reason = "a test may wait for a child")]
fn tar(folder: &std::path::Path, into: &std::path::Path) -> bool {
    let mut tar = std::process::Command::new("tar");
    tar.arg("-C")
        .arg(folder)
        .arg("-czf")
        .arg(into)
        .args(["metadata.yaml", "rootfs"]);
    tar.status().is_ok_and(|status| status.success())
}
