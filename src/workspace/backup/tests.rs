//! What is checked of `backup`.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

fn home(root: &Path) -> PathBuf {
    let home = root.join("homes/anna");
    fs::create_dir_all(home.join("deep/er")).unwrap();
    fs::write(home.join("deep/er/file"), "work").unwrap();
    fs::write(home.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(home.join("run.sh"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::set_permissions(home.join("deep"), fs::Permissions::from_mode(0o555)).unwrap();
    symlink("/etc/passwd", home.join("link")).unwrap();
    symlink("/etc", home.join("folder-link")).unwrap();
    std::os::unix::net::UnixListener::bind(home.join("socket")).unwrap();
    home
}

#[test]
fn a_home_comes_back_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let home = home(root.path());
    let archive = root.path().join("anna.tar.zst");
    let report = save(&home, &archive).unwrap();
    assert_eq!((report.entries, report.left_out.len()), (7, 1), "{report:?}");
    assert_eq!(fs::metadata(&archive).unwrap().mode() & 0o777, 0o600);
    assert!(matches!(save(&home, &archive), Err(BackupError::Exists(_))));
    assert!(matches!(
        restore(&archive, &home, 0, false),
        Err(BackupError::NotEmpty(_))
    ));
    fs::write(home.join("newer"), "newer").unwrap();
    let uid = fs::metadata(&home).unwrap().uid();
    let report = restore(&archive, &home, uid, true).unwrap();
    assert_eq!(fs::read_to_string(home.join("deep/er/file")).unwrap(), "work");
    assert_eq!(fs::metadata(home.join("run.sh")).unwrap().mode() & 0o777, 0o750);
    assert_eq!(fs::metadata(home.join("deep")).unwrap().mode() & 0o777, 0o555);
    assert_eq!(
        fs::read_link(home.join("link")).unwrap(),
        Path::new("/etc/passwd")
    );
    assert!(!home.join("newer").exists());
    assert_eq!(
        fs::read_to_string(report.kept.unwrap().join("newer")).unwrap(),
        "newer"
    );
}

#[test]
fn what_is_damaged_or_leads_out_puts_nothing_back() {
    let root = tempfile::tempdir().unwrap();
    let home = home(root.path());
    let archive = root.path().join("anna.tar.zst");
    save(&home, &archive).unwrap();
    let mut bytes = fs::read(&archive).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&archive, bytes).unwrap();
    assert!(matches!(
        restore(&archive, &home, 0, true),
        Err(BackupError::Damaged { .. })
    ));
    let evil = root.path().join("evil.tar.zst");
    assert!(matches!(check(&evil), Err(BackupError::NoSum(_))));
    // A link out of the home, and a file through it.
    let mut builder = tar::Builder::new(zstd::Encoder::new(File::create(&evil).unwrap(), 1).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "out", root.path()).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o600);
    builder
        .append_data(&mut header, "out/escaped", &b"evil"[..])
        .unwrap();
    builder.into_inner().unwrap().finish().unwrap();
    fs::write(sum_file(&evil), sum(&evil).unwrap()).unwrap();
    assert!(restore(&evil, &home, 0, true).is_err());
    assert!(!root.path().join("escaped").exists());
    assert_eq!(
        fs::read_to_string(home.join("deep/er/file")).unwrap(),
        "work",
        "the home is as it was"
    );
}

#[test]
fn only_what_is_in_the_storage_is_deleted() {
    let root = tempfile::tempdir().unwrap();
    let home = home(root.path());
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), root.path().join("homes/bob")).unwrap();
    assert!(delete(root.path(), &root.path().join("homes/bob")).is_err());
    assert!(delete(root.path(), outside.path()).is_err());
    assert!(delete(root.path(), root.path()).is_err());
    assert!(outside.path().exists());
    fs::set_permissions(home.join("deep"), fs::Permissions::from_mode(0o755)).unwrap();
    delete(root.path(), &home).unwrap();
    assert!(!home.exists());
    delete(root.path(), &home).unwrap();
}
