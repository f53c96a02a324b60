//! A lab that is put back to the same state before each fault, and the program run on it through the proxy.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    future::Future,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

use halolab::{
    backend::{Backend as _, Instance, InstanceSpec, Power, Profile, Progress, Status, lxd::Lxd},
    labs::notes_profile,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;

use super::{
    super::{daemon::unique, program::Home},
    proxy::{Hook, Proxy},
};

/// What is written into the lab: at its snapshot `works`, and since.
pub const EARLIER: &str = "earlier work";
pub const NOW: &str = "work of now";

/// From which state a scenario starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// There is no lab.
    Nothing,
    /// A running lab with work in it, a snapshot of earlier work with a note, and two safety snapshots.
    Worked,
    /// The same after it was recreated: what it was is kept beside it.
    Recreated,
    /// The same after it was restored: what it was is in a safety snapshot.
    Restored,
}

/// How a run of the program ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// It was still there after its time, and was killed then.
    pub hung: bool,
    /// All that it said.
    pub said: String,
    pub seconds: f32,
}

/// An instance as it is put back.
struct Frozen {
    found: Instance,
    /// Where it is kept meanwhile.
    keep: String,
}

/// A home, a lab and a proxy.
pub struct Ground {
    pub home: Home,
    pub proxy: Proxy,
    pub lxd: Lxd,
    /// The daemon's folder.
    pub folder: PathBuf,
    runtime: Runtime,
    pid: Arc<AtomicI32>,
    frozen: BTreeMap<State, (Vec<Frozen>, Vec<Profile>)>,
}

impl Ground {
    /// On the private daemon; none where the environment says to skip what needs one.
    pub fn new() -> Option<Self> {
        Home::new(1).map(Self::on)
    }

    /// With this home, on its daemon.
    pub fn on(home: Home) -> Self {
        let runtime = Runtime::new().unwrap();
        let upstream = PathBuf::from(&home.socket);
        let folder = upstream.parent().unwrap().to_owned();
        let lxd = runtime
            .block_on(Lxd::connect_unix(&upstream))
            .expect("the daemon of HALOLAB_TEST_LXD answers");
        let lab = home.lab().to_owned();
        // Beside the daemon's own: commands that repair something name the folder that they find it in.
        let socket = folder.join(format!("{lab}.socket"));
        let proxy = Proxy::start(&socket, &upstream, vec![(lab, "LAB".into())]);
        Self {
            home,
            proxy,
            lxd,
            folder,
            runtime,
            pid: Arc::default(),
            frozen: BTreeMap::new(),
        }
    }

    pub fn lab(&self) -> &str {
        self.home.lab()
    }

    pub fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// The file system of an instance or a snapshot (`NAME/SNAPSHOT`), as it is on the disk.
    pub fn disk(&self, name: &str) -> PathBuf {
        let kind = if name.contains('/') {
            "containers-snapshots"
        } else {
            "containers"
        };
        let pool = self.folder.join("storage-pools/default");
        pool.join(kind).join(name).join("rootfs")
    }

    /// A file outside of the lab that it mounts.
    pub fn data(&self) -> PathBuf {
        self.home
            .folder
            .path()
            .join("data")
            .join(self.lab())
            .join("models/model")
    }

    /// A file of this machine that halolab made, as its ledger says.
    pub fn made(&self) -> PathBuf {
        self.home.folder.path().join("made-by-halolab")
    }

    /// Puts that file and its line back.
    fn make(&self) {
        fs::write(self.made(), "halolab's").unwrap();
        let ledger = self.home.folder.path().join("state/made");
        fs::create_dir_all(&ledger).unwrap();
        let line = format!("file {}\n", self.made().display());
        fs::write(ledger.join("20260101-000000000-host"), line).unwrap();
    }

    /// Kills the program that is run now, and waits until it is gone.
    pub fn killer(&self) -> Hook {
        self.signaller(Signal::KILL)
    }

    /// Sends a signal to the program that is run now; after SIGKILL it waits until it is gone.
    pub fn signaller(&self, signal: Signal) -> Hook {
        let pid = Arc::clone(&self.pid);
        Arc::new(move || {
            let mut number = 0;
            while number == 0 {
                number = pid.load(Ordering::SeqCst);
            }
            let _ = kill_process(Pid::from_raw(number).unwrap(), signal);
            while signal == Signal::KILL && is_alive(number) {
                std::thread::sleep(Duration::from_millis(1));
            }
        })
    }

    /// Runs the program through the proxy; it is killed after `limit`.
    pub fn run(&self, arguments: &[String], limit: Duration) -> Ran {
        self.run_with(arguments, limit, |_| {})
    }

    /// The same with something else about it.
    pub fn run_with(&self, arguments: &[String], limit: Duration, change: impl FnOnce(&mut Command)) -> Ran {
        // Not in the home: what the program says is nothing that it keeps.
        let path = self.home.folder.path().with_extension("said");
        let said = File::create(&path).unwrap();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = self.home.command(&words);
        command
            .env("LXD_SOCKET", &self.proxy.socket)
            .env("LXD_DIR", &self.folder);
        change(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(Stdio::from(said));
        self.pid.store(0, Ordering::SeqCst);
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        self.pid
            .store(i32::try_from(child.id()).unwrap(), Ordering::SeqCst);
        let mut hung = false;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > limit && !hung {
                hung = true;
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let said = fs::read(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        Ran {
            code: status.code(),
            hung,
            said: String::from_utf8_lossy(&said).into_owned(),
            seconds: began.elapsed().as_secs_f32(),
        }
    }

    /// Runs it to a good end.
    fn must(&self, words: &[&str]) {
        let words: Vec<String> = words.iter().map(|&w| w.to_owned()).collect();
        let ran = self.run(&words, Duration::from_mins(3));
        assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.said);
    }

    /// Puts the lab back to a state; the first time it is made.
    pub fn reset(&mut self, state: State) {
        self.proxy.arm(None);
        self.wipe();
        if !self.frozen.contains_key(&state) {
            self.prepare(state);
            let frozen = self.freeze(state);
            self.frozen.insert(state, frozen);
            self.wipe();
        }
        // A first run makes its data folder; every other one finds it.
        let data = self.data().parent().unwrap().to_owned();
        if state == State::Nothing {
            let _ = fs::remove_dir_all(data.parent().unwrap());
        } else {
            fs::create_dir_all(data).unwrap();
            fs::write(self.data(), "a model").unwrap();
        }
        self.make();
        let (instances, profiles) = &self.frozen[&state];
        self.runtime.block_on(async {
            for profile in profiles {
                self.lxd.put_profile(profile).await.unwrap();
            }
            for frozen in instances {
                let spec = InstanceSpec {
                    name: frozen.found.name.clone(),
                    profiles: frozen.found.profiles.clone(),
                    config: frozen.found.config.clone(),
                    description: frozen.found.description.clone(),
                    ..InstanceSpec::default()
                };
                self.lxd
                    .copy(&frozen.keep, None, &spec, &Progress::default())
                    .await
                    .unwrap();
                if frozen.found.status == Status::Running {
                    self.lxd.power(&spec.name, Power::Start).await.unwrap();
                }
            }
        });
        self.settle();
        self.proxy.arm(None);
    }

    fn prepare(&mut self, state: State) {
        let lab = self.lab().to_owned();
        let lab = lab.as_str();
        match state {
            State::Nothing => return,
            State::Worked => {}
            State::Recreated => {
                self.reset(State::Worked);
                self.must(&["recreate", lab, "--from-clean", "--yes"]);
                return;
            }
            State::Restored => {
                self.reset(State::Worked);
                self.must(&["snapshot", "restore", lab, "works", "--yes"]);
                return;
            }
        }
        self.must(&["apply", lab, "--yes", "--set", "greeting=good morning"]);
        let write = |text: &str| {
            let bytes = text.as_bytes();
            self.wait(self.lxd.push(lab, "/root/work", bytes, 0o600, (0, 0)))
                .unwrap();
        };
        write(EARLIER);
        self.must(&["snapshot", "create", lab, "works", "-m", "all is well"]);
        self.must(&["snapshot", "create", lab, "old", "-m", "not needed"]);
        write(NOW);
        self.must(&["update", lab, "--yes"]);
        self.must(&["update", lab, "--yes"]);
    }

    /// Keeps what is there under other names, as nobody's.
    fn freeze(&self, state: State) -> (Vec<Frozen>, Vec<Profile>) {
        self.runtime.block_on(async {
            let mut frozen = vec![];
            let mut profiles = vec![];
            for mut found in self.instances().await {
                if let Some(name) = notes_profile(&found) {
                    profiles.extend(self.lxd.profile(name).await.unwrap());
                }
                if found.status == Status::Running {
                    self.lxd
                        .power(&found.name, Power::Stop { seconds: 0 })
                        .await
                        .unwrap();
                }
                found.config.retain(|key, _| !key.starts_with("volatile."));
                let keep = unique(&format!("keep{}", state as u8));
                let tags = found.config.keys().filter(|k| k.starts_with("user.halolab."));
                let spec = InstanceSpec {
                    name: keep.clone(),
                    profiles: vec!["default".into()],
                    config: tags.map(|k| (k.clone(), String::new())).collect(),
                    description: "kept by a test".into(),
                    ..InstanceSpec::default()
                };
                self.lxd
                    .copy(&found.name, None, &spec, &Progress::default())
                    .await
                    .unwrap();
                frozen.push(Frozen { found, keep });
            }
            (frozen, profiles)
        })
    }

    /// The instances of the lab and beside it.
    pub async fn instances(&self) -> Vec<Instance> {
        let mut all = self.lxd.instances().await.unwrap();
        all.retain(|i| i.name.starts_with(self.lab()));
        all
    }

    /// Everything of the lab goes, with what the program remembers.
    pub fn wipe(&self) {
        self.settle();
        self.runtime.block_on(async {
            for instance in self.instances().await {
                let _ = self.lxd.power(&instance.name, Power::Stop { seconds: 0 }).await;
                if self.lxd.delete(&instance.name).await.is_err() {
                    self.force(&instance.name).await;
                }
            }
            for name in self.profiles().await {
                self.lxd.delete_profile(&name).await.unwrap();
            }
        });
        self.sweep();
        let home = self.home.folder.path();
        for folder in ["run", "cache"] {
            let _ = fs::remove_dir_all(home.join(folder));
        }
        // The stage was looked at once and for all.
        let state = fs::read_dir(home.join("state")).into_iter().flatten().flatten();
        for path in state
            .map(|entry| entry.path())
            .filter(|path| !path.ends_with("trust"))
        {
            let _ = fs::remove_dir_all(&path);
            let _ = fs::remove_file(&path);
        }
    }

    /// Names of the lab's profiles.
    pub async fn profiles(&self) -> Vec<String> {
        let all = super::super::raw::raw(
            Path::new(&self.home.socket),
            "GET",
            "/1.0/profiles",
            serde_json::Value::Null,
        );
        let all = all.await;
        let names = all["metadata"].as_array().unwrap().iter();
        let names = names.filter_map(|url| url.as_str()?.rsplit('/').next().map(str::to_owned));
        let ours = format!("halolab-{}", self.lab());
        names.filter(|name| name.starts_with(&ours)).collect()
    }

    /// What a killed daemon left and will not delete.
    async fn force(&self, name: &str) {
        for _ in 0..3 {
            self.sweep_one("containers", name);
            let _ = fs::create_dir_all(self.disk(name).parent().unwrap());
            if self.lxd.delete(name).await.is_ok() {
                return;
            }
        }
        panic!("{name} cannot be deleted");
    }

    /// Removes what is on the disk of the lab without a record of it.
    fn sweep(&self) {
        for kind in ["containers", "containers-snapshots"] {
            let pool = self.folder.join("storage-pools/default").join(kind);
            let there = fs::read_dir(pool).into_iter().flatten().flatten();
            for name in there.map(|e| e.file_name().to_string_lossy().into_owned()) {
                if name.starts_with(self.lab()) {
                    self.sweep_one(kind, &name);
                }
            }
        }
    }

    fn sweep_one(&self, kind: &str, name: &str) {
        let path = self.folder.join("storage-pools/default").join(kind).join(name);
        let inside = fs::read_dir(&path).into_iter().flatten().flatten();
        for volume in inside.map(|e| e.path()).chain([path.clone()]) {
            let _ = Command::new("btrfs")
                .args(["property", "set", "-ts"])
                .arg(&volume)
                .args(["ro", "false"])
                .output();
            let _ = Command::new("btrfs")
                .args(["subvolume", "delete"])
                .arg(&volume)
                .output();
        }
        let _ = fs::remove_dir_all(&path);
    }

    /// Waits until the daemon does nothing on the lab any more; false where it does after a minute.
    pub fn settle(&self) -> bool {
        let until = Instant::now() + Duration::from_mins(1);
        while Instant::now() < until {
            let path = "/1.0/operations?recursion=1";
            let all = self.wait(super::super::raw::raw(
                Path::new(&self.home.socket),
                "GET",
                path,
                serde_json::Value::Null,
            ));
            let groups = all["metadata"].as_object().cloned().unwrap_or_default();
            let busy = groups
                .values()
                .flat_map(|g| g.as_array().cloned().unwrap_or_default());
            let mut busy = busy.filter(|o| {
                matches!(o["status_code"].as_i64(), Some(101 | 103 | 105))
                    && o["class"] == "task"
                    && o["resources"].to_string().contains(self.lab())
            });
            if busy.next().is_none() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        false
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let kept: Vec<String> = self
            .frozen
            .values()
            .flat_map(|(f, _)| f)
            .map(|f| f.keep.clone())
            .collect();
        self.runtime.block_on(async {
            for name in kept {
                let _ = self.lxd.delete(&name).await;
            }
        });
        // Home's own takes the lab and its profiles.
    }
}

fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}
