//! The program with workspaces of its own, and an image for them as small as can be.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use halolab::backend::{
    Backend as _, Progress,
    docker::{Build, Docker},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::program::Said;

/// SSH's banner and code-server's word by `BusyBox`; in an image with the word `broken` code ends at once, as a service
/// that supervisor gives up.
const START: &str = r#"#!/bin/sh
trap 'exit 0' TERM
mkdir -p /var/log/workspace /www
echo "$WS_USER $WS_UID" > /run/who
echo '{"status":"alive"}' > /www/healthz
[ "$WORD" != ends ] || { echo "no reason to live"; exit 3; }
for service in $(echo "$WS_SERVICES" | tr , ' '); do
  case $service in
    ssh) nc -ll -p 22 -e /banner & echo "listening" > /var/log/workspace/ssh.log ;;
    code)
      if [ "$WORD" = broken ]; then
        echo "code: cannot find module 'left-pad'" > /var/log/workspace/code.log
      else
        busybox httpd -p 8080 -h /www
        echo "listening" > /var/log/workspace/code.log
      fi ;;
  esac
done
while :; do sleep 1; done
"#;
/// What supervisor would say.
const STATUS: &str = r#"#!/bin/sh
echo "ssh RUNNING pid 7, uptime 0:00:05"
if [ "$WORD" = broken ]; then echo "code FATAL Exited too quickly (process log may have details)"
else echo "code RUNNING pid 8, uptime 0:00:05"; fi
"#;

/// The program with a home of its own, and a tree that stands for the machine where ports are looked at.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
    pub(crate) docker: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Self {
            docker: folder.path().join("nobody.sock").display().to_string(),
            folder,
        };
        home.put("machine/proc/net/tcp", "  sl  local_address rem_address   st\n");
        home.put("machine/proc/meminfo", "MemTotal: 16777216 kB\nSwapTotal: 0 kB\n");
        home.put("machine/sys/devices/system/cpu/online", "0-7\n");
        home.ends(
            0,
            &[
                "workspace",
                "setup",
                "--root",
                &home.path("store").display().to_string(),
            ],
        );
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        use std::io::Write as _;
        let mut child = self
            .beside_the_engine(env!("CARGO_BIN_EXE_halolab"))
            .args(arguments)
            .env("HALOLAB_HOME", self.folder.path())
            .env("HALOLAB_DATA", self.path("data"))
            .env("HALOLAB_TEST_ROOT", self.path("machine"))
            .env("DOCKER_HOST", format!("unix://{}", self.docker))
            .env("LXD_SOCKET", self.path("nobody.socket"))
            .env_remove("LXD_DIR")
            .env_remove("INCUS_DIR")
            .env_remove("INCUS_SOCKET")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who asks nothing closes it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let ended = child.wait_with_output().unwrap();
        Said {
            code: ended.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&ended.stdout).into_owned(),
            err: String::from_utf8_lossy(&ended.stderr).into_owned(),
        }
    }

    /// A program in the engine's own network, where its ports are open; without an engine as it is.
    pub(crate) fn beside_the_engine(&self, program: &str) -> Command {
        let pid = Path::new(&self.docker).with_file_name("docker.pid");
        let Ok(pid) = fs::read_to_string(pid) else {
            return Command::new(program);
        };
        let mut command = Command::new("nsenter");
        command.args(["-t", pid.trim(), "-n", "--", program]);
        command
    }

    pub(crate) fn ends(&self, code: i32, arguments: &[&str]) -> Said {
        let said = self.run_with(arguments, "");
        assert_eq!(
            said.code, code,
            "halolab {arguments:?}\n{}\n{}",
            said.out, said.err
        );
        said
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        let said = self.run_with(&arguments, "");
        serde_json::from_str(said.out.trim())
            .unwrap_or_else(|_| panic!("{arguments:?}\n{}\n{}", said.out, said.err))
    }
}

/// A workspace's image as small as can be: each service is a web server of `BusyBox`.
pub(crate) async fn image(engine: &Docker, folder: &Path, alias: &str, word: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("start"), START).unwrap();
    fs::write(folder.join("status"), STATUS).unwrap();
    fs::write(
        folder.join("banner"),
        "#!/bin/sh\nprintf 'SSH-2.0-lab\\r\\n'\nexec cat\n",
    )
    .unwrap();
    let file = format!(
        "FROM lab/bb\nCOPY start /start\nCOPY banner /banner\nCOPY status /usr/local/sbin/workspace-status\n\
         RUN chmod 755 /start /banner /usr/local/sbin/workspace-status\nENV WORD={word}\n\
         ENTRYPOINT [\"/bin/sh\", \"/start\"]\n"
    );
    fs::write(folder.join("Dockerfile"), file).unwrap();
    let build = Build {
        alias: alias.to_owned(),
        dockerfile: "Dockerfile".to_owned(),
        context: folder.to_owned(),
        ..Build::default()
    };
    engine
        .build_image(&build, &mut |_| {}, &Progress::default())
        .await
        .unwrap();
}

/// Removes what the test made.
pub(crate) struct Made<'h>(pub(crate) &'h Home, pub(crate) Vec<String>);

impl Drop for Made<'_> {
    fn drop(&mut self) {
        for user in &self.1 {
            for name in [
                format!("ws-{user}"),
                format!("ws-{user}-next"),
                format!("ws-{user}-prev"),
                format!("ws-{user}-prev-2"),
            ] {
                self.0.run_with(&["remove", &name, "--yes"], "");
            }
        }
    }
}

/// What reads compose files here: the plugin, or the program of before it.
pub(crate) fn compose_program() -> Option<Vec<&'static str>> {
    let known = [vec!["docker", "compose"], vec!["docker-compose"]];
    known.into_iter().find(|words| {
        let tried = Command::new(words[0]).args(&words[1..]).arg("version").output();
        tried.is_ok_and(|ended| ended.status.success())
    })
}

/// What compose says in this folder. The program of before the plugin knows all of the file but one word.
pub(crate) fn compose(words: &[&str], home: &Home, arguments: &[&str]) -> String {
    let folder = home.path("out");
    let file = folder.join("compose.yaml");
    if words.len() == 1 {
        let text = fs::read_to_string(&file).unwrap();
        let newer = "bind:\n          create_host_path: false\n        ";
        fs::write(&file, text.replace(newer, "")).unwrap();
    }
    let ended = Command::new(words[0])
        .args(&words[1..])
        .args(arguments)
        .env("DOCKER_HOST", format!("unix://{}", home.docker))
        .current_dir(&folder)
        .output()
        .unwrap();
    let (said, wrong) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert!(ended.status.success(), "{words:?} {arguments:?}\n{said}\n{wrong}");
    said.into_owned()
}

/// What is another one after a restart: identity, and when it was started.
pub(crate) async fn told(engine: &Docker, name: &str) -> (String, String) {
    let found = engine.instance(name).await.unwrap().unwrap();
    (found.uuid, found.last_used)
}
