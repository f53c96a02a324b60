//! Images built from package sources: for real, stopped half way, and asked for wrongly.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{env, fs, path::Path, process::Output, time::Duration};

use halolab::host::{
    bootstrap::{self, Error, Recipe},
    command::Command,
};
use tokio_util::sync::CancellationToken;

/// Whether this machine runs the tests that need root and package sources; where not, the caller must have said so.
fn may_build() -> bool {
    let may = rustix::process::geteuid().is_root() && env::var_os("HALOLAB_TEST_CACHE").is_some();
    assert!(
        may || env::var("HALOLAB_TEST_LXD").as_deref() == Ok("skip"),
        "building images needs root and package sources: run tests/run.sh, or set HALOLAB_TEST_LXD=skip"
    );
    may
}

fn debian(packages: &[String]) -> Recipe<'_> {
    Recipe {
        distribution: "debian",
        suite: "bookworm",
        packages,
        refresh: false,
    }
}

async fn built(recipe: &Recipe<'_>, folder: &Path) -> Result<(std::path::PathBuf, String), Error> {
    let mut said = vec![];
    let mut output = |bytes: &[u8]| said.extend_from_slice(bytes);
    let file = bootstrap::build(recipe, folder, &mut output, &CancellationToken::new()).await?;
    Ok((file, String::from_utf8_lossy(&said).into_owned()))
}

async fn listing(file: &Path) -> String {
    let mut command = Command::new("tar", ["-tzf", &file.display().to_string()]);
    command.deadline = Duration::from_mins(2);
    command.read().await.unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn a_debian_image_is_built_and_found_again() {
    if !may_build() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let packages = ["hello".to_owned()];
    let (file, said) = built(&debian(&packages), folder.path()).await.unwrap();
    assert!(said.contains("[ 80 %] packing"), "{said}");
    assert_eq!(
        names(folder.path()),
        [file.file_name().unwrap().to_str().unwrap()],
        "something was left behind"
    );
    let content = listing(&file).await;
    for path in [
        "metadata.yaml",
        "templates/hostname.tpl",
        "rootfs/usr/bin/hello",
        "rootfs/etc/network/interfaces",
    ] {
        assert!(content.lines().any(|line| line == path), "{path} is missing");
    }
    assert!(
        !content.contains("rootfs/dev/null"),
        "device nodes cannot be unpacked by an unprivileged daemon"
    );

    let (again, said) = built(&debian(&packages), folder.path()).await.unwrap();
    assert_eq!(again, file);
    assert!(said.starts_with("using "), "{said}");
    let old = std::time::SystemTime::now() - Duration::from_hours(8 * 24);
    fs::File::open(&file).unwrap().set_modified(old).unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = bootstrap::build(&debian(&packages), folder.path(), &mut |_| {}, &cancel)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("stopped"),
        "an image of last week is used: {error}"
    );
}

#[tokio::test]
async fn stopping_half_way_leaves_nothing_behind() {
    if !may_build() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let mut said = String::new();
    let mut output = |bytes: &[u8]| {
        said.push_str(&String::from_utf8_lossy(bytes));
        if said.contains("installing") || said.contains("downloading") {
            stop.cancel();
        }
    };
    let packages = [];
    let error = bootstrap::build(&debian(&packages), folder.path(), &mut output, &cancel)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("stopped by the user"), "{error}");
    assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let place = folder.path().display().to_string();
    assert!(!mounts.contains(&place), "a mount is left");
    let Output { stdout, .. } = pgrep(&place);
    assert!(
        stdout.is_empty(),
        "still at work: {}",
        String::from_utf8_lossy(&stdout)
    );
}

#[expect(clippy::disallowed_methods, reason = "looks from outside")]
fn pgrep(text: &str) -> Output {
    std::process::Command::new("pgrep")
        .args(["-af", text])
        .output()
        .unwrap()
}

/// Arch's mirrors and their keys by a repository of our own; the rest is what a user runs.
#[tokio::test]
async fn an_arch_image_is_built_with_pacstrap() {
    if !may_build() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("mirror");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/arch-repository.sh");
    Command::new(script, [repository.display().to_string()])
        .read()
        .await
        .unwrap();
    let images = folder.path().join("images");
    let program = env!("CARGO_MANIFEST_DIR").to_owned() + "/assets/bootstrap/arch.sh";
    let mut command = Command::new(
        "unshare",
        ["--mount", "--propagation", "private", "sh", "-eu", &program],
    );
    fs::create_dir(&images).unwrap();
    let file = images.join("arch.tar.gz");
    command.deadline = Duration::from_mins(2);
    command.environment = [
        ("HALOLAB_OUT", file.display().to_string()),
        ("HALOLAB_PACKAGES", "sudo".into()),
        ("HALOLAB_MIRROR", format!("file://{}", repository.display())),
        ("HALOLAB_ARCH_REPOSITORIES", "core".into()),
        ("HALOLAB_ARCH_SIGLEVEL", "Never".into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    command.read().await.unwrap();
    assert_eq!(names(&images), ["arch.tar.gz"]);
    let content = listing(&file).await;
    for path in [
        "rootfs/sbin/init",
        "rootfs/usr/share/sudo/version",
        "rootfs/var/lib/pacman/local/base-1.0-1/desc",
        "rootfs/etc/systemd/system/multi-user.target.wants/dhcpcd.service",
        "rootfs/etc/pacman.d/mirrorlist",
    ] {
        assert!(
            content.lines().any(|line| line == path),
            "{path} is missing in {content}"
        );
    }
    // a mirror that does not answer is told, and leaves nothing
    command
        .environment
        .insert("HALOLAB_MIRROR".into(), "file:///nowhere".into());
    fs::remove_file(&file).unwrap();
    let error = command.read().await.unwrap_err();
    assert!(error.to_string().contains("pacstrap failed"), "{error}");
    assert!(names(&images).is_empty());
}

#[tokio::test]
async fn names_that_are_not_names_are_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["-oAPT::x", "a b", "a;b", "$(id)", ""] {
        let packages = [name.to_owned()];
        let error = built(&debian(&packages), folder.path()).await.unwrap_err();
        assert!(matches!(&error, Error::Name(bad) if bad == name), "{error}");
    }
    let other = Recipe {
        distribution: "plan9",
        ..debian(&[])
    };
    assert!(matches!(
        built(&other, folder.path()).await,
        Err(Error::Distribution(_))
    ));
    let suite = Recipe {
        suite: "../etc",
        ..debian(&[])
    };
    assert!(matches!(built(&suite, folder.path()).await, Err(Error::Name(_))));
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn a_release_that_does_not_exist_fails_with_the_last_words() {
    if !may_build() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let error = built(
        &Recipe {
            suite: "buzz-aldrin",
            ..debian(&[])
        },
        folder.path(),
    )
    .await
    .unwrap_err();
    assert!(
        matches!(&error, Error::Failed { text, .. } if !text.is_empty()),
        "{error}"
    );
    assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
}
