//! What a user lists (`apt.txt`, `requirements.txt`) is there again in a container that was made anew, without a network.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::{Engine, GUARD, IMAGE, User};

/// In the user's folders: a package for apt with a repository, one for pip, and the lists that name them. All of it comes
/// from the image's own tools, so that nothing is fetched.
const MAKE: &str = r#"set -eu
cd "/files/$1"
mkdir -p package/DEBIAN package/usr/bin scratch/repo scratch/wheels state home apt
printf 'Package: hello-lab\nVersion: 1\nArchitecture: all\nMaintainer: lab <lab@example.org>\nDescription: a word\n' >package/DEBIAN/control
printf '#!/bin/sh\necho hello of apt\n' >package/usr/bin/hello-lab
chmod 755 package/usr/bin/hello-lab
dpkg-deb -b package scratch/repo/hello-lab_1_all.deb >/dev/null
cd scratch/repo
{ cat ../../package/DEBIAN/control
  printf 'Filename: ./hello-lab_1_all.deb\nSize: %s\n' "$(stat -c %s hello-lab_1_all.deb)"
  printf 'SHA256: %s\n' "$(sha256sum <hello-lab_1_all.deb | cut -d' ' -f1)"
} >Packages
cd ../..
python3 - scratch/wheels/hello_lab-1-py3-none-any.whl <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    wheel.writestr("hello_lab.py", "print('hello of pip')\n")
    wheel.writestr("hello_lab-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: hello-lab\nVersion: 1\n")
    wheel.writestr("hello_lab-1.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr("hello_lab-1.dist-info/RECORD", "")
PYTHON
echo 'deb [trusted=yes] copy:/workspace/repo ./' >apt/sources.list
printf 'hello-lab   # a word\n--not-a-name\n' >state/apt.txt
printf '%s\n' --no-index '--find-links /workspace/wheels' hello-lab==1 >home/requirements.txt
"#;

/// Before the first start: the user's lists, and where what they name comes from.
pub(super) fn put(engine: &Engine, user: &User) {
    let files = format!("{}:/files", engine.files.path().display());
    engine.does(&[
        "run",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        "sh",
        "-v",
        &files,
        IMAGE,
        "-c",
        MAKE,
        "sh",
        user.name,
    ]);
}

/// From now on apt's package can be had nowhere, and the environment of Python is gone.
pub(super) fn forget_sources(engine: &Engine, user: &User) {
    fs::remove_dir_all(engine.file(user, "scratch/repo")).unwrap();
    fs::remove_dir_all(engine.file(user, "home/venv")).unwrap();
}

/// Waits until what was listed can be used; what the log of it says.
pub(super) async fn installed(engine: &Engine, user: &User) -> String {
    let look = format!("hello-lab && /home/{}/venv/bin/python -m hello_lab", user.name);
    let log = || engine.does(&["exec", &user.lab(), "cat", "/var/log/workspace/packages.log"]);
    let begun = Instant::now();
    loop {
        let (well, said) = engine.docker(&["exec", &user.lab(), "sh", "-c", &look]);
        if well {
            assert_eq!(said, "hello of apt\nhello of pip\n");
            return log();
        }
        assert!(begun.elapsed().as_secs() < GUARD, "{said}\n{}", log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
