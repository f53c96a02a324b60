//! A daemon that may be killed, filled and started again: one of this test's own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use halolab::backend::{Backend as _, Progress, lxd::Lxd};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How many this process started.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// It ends with its value, with all that is on it.
pub struct Daemon {
    folder: TempDir,
    bridge: String,
}

impl Daemon {
    /// Starts one with a pool of this size, and gives it the small image; none where tests that need a daemon are
    /// left out.
    pub fn start(pool: &str) -> Option<Self> {
        if std::env::var("HALOLAB_TEST_LXD").is_ok_and(|value| value == "skip") {
            return None;
        }
        let folder = tempfile::Builder::new()
            .prefix("halolab-test-killable.")
            .tempdir_in("/var/tmp")
            .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        fs::set_permissions(folder.path(), mode).unwrap();
        // Tests of one process run side by side.
        let number = std::process::id().wrapping_mul(8) + STARTED.fetch_add(1, Ordering::Relaxed) % 8;
        let daemon = Self {
            bridge: format!("hlk{}", number % 1_000_000),
            folder,
        };
        let subnet = format!("10.{}.{}", 190 + number % 60, number / 60 % 250);
        daemon.script(&["up"], &[&subnet], |c| c.env("HALOLAB_TEST_POOL", pool));
        let image = daemon.folder.path().join("bb.tar.gz");
        let made = Command::new("tests/lab/busybox-image.sh").arg(&image).status();
        assert!(made.unwrap().success());
        let firewall = Command::new("sh")
            .args(["-eu", "stages/host/firewall.sh"])
            .env("HALOLAB_BRIDGE", &daemon.bridge)
            .env("HALOLAB_PERSIST", "no")
            .stdout(Stdio::null())
            .status();
        assert!(firewall.unwrap().success());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let lxd = Lxd::connect_unix(daemon.socket()).await.unwrap();
            lxd.import_image(&image, "lab/bb", &Progress::default())
                .await
                .unwrap();
        });
        Some(daemon)
    }

    fn script(&self, before: &[&str], after: &[&str], change: impl FnOnce(&mut Command) -> &mut Command) {
        let mut command = Command::new("bash");
        command
            .arg("tests/lab/lxd.sh")
            .args(before)
            .arg(self.folder.path())
            .arg(&self.bridge)
            .args(after)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        assert!(change(&mut command).status().unwrap().success());
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("lxd/unix.socket")
    }

    /// What kills it so long after a call was sent, and starts it again: returns when it answers.
    pub fn killer(&self, after: Duration) -> super::proxy::Hook {
        let folder = self.folder.path().to_owned();
        std::sync::Arc::new(move || {
            std::thread::sleep(after);
            kill(&folder);
            start(&folder);
        })
    }

    /// The folder of its pool.
    pub fn pool(&self) -> PathBuf {
        self.folder.path().join("lxd/storage-pools/default")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.script(&["down"], &[], |c| c);
    }
}

/// The daemon's own process: the one of this folder that is no helper of an instance.
fn process_of(folder: &Path) -> Option<i32> {
    let wanted = format!("--logfile={}/log/lxd.log", folder.display());
    let all = fs::read_dir("/proc").unwrap().flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers.into_iter().find(|number| {
        let line = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        words.next().is_some_and(|program| program.ends_with(b"lxd"))
            && words.any(|word| word == wanted.as_bytes())
    })
}

fn kill(folder: &Path) {
    while let Some(number) = process_of(folder) {
        let _ = kill_process(Pid::from_raw(number).unwrap(), Signal::KILL);
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn start(folder: &Path) {
    let out = fs::File::create(folder.join("log/lxd.out")).unwrap();
    let started = Command::new("setsid")
        .args(["-f", "lxd", "--group", "lxd"])
        .arg(format!("--logfile={}/log/lxd.log", folder.display()))
        .env("LXD_DIR", folder.join("lxd"))
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .status();
    assert!(started.unwrap().success());
    let ready = Command::new("lxd")
        .args(["waitready", "--timeout=60"])
        .env("LXD_DIR", folder.join("lxd"))
        .status();
    assert!(ready.unwrap().success(), "the daemon does not come up again");
}
