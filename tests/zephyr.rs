//! The entrypoints and the launcher of Zephyr, with stand-ins for Spack and Docker that write down what they were told.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the scripts as a person would"
)]

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

/// A stand-in for Spack: says what it was asked for, concretizes into a lock, and installs for as long as it is let.
const SPACK: &str = r#"#!/bin/sh
waits=
trap 'echo interrupted; kill $waits 2>/dev/null; exit 2' INT
echo "$*" >>"$TOLD"
case $* in
  *concretize*) echo '{"roots":[],"concrete_specs":{}}' >"$2/spack.lock" ;;
  *install*)
    [ "$(readlink /proc/$$/fd/0)" != /dev/null ] || { echo "Operation not permitted"; exit 3; }
    echo "==> Installing app-1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa [1/1]"
    sleep "${SLOW:-0}" & waits=$!
    wait $waits
    echo "[+] $ZEPHYR_STORE/app" ;;
  --version) echo 1.1.0 ;;
esac
"#;

/// A stand-in for Docker: each argument a line.
const DOCKER: &str = r#"#!/bin/sh
case "$1 $2" in
  "image inspect") printf 'PATH=/bin\nCUDA_VERSION=12.9.1\n' ;;
  *) printf '%s\n' "$@" ;;
esac
"#;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(home.path("bin")).unwrap();
        fs::create_dir_all(home.path("project/pkg/zephyr")).unwrap();
        home.program("spack", SPACK);
        home.program("docker", DOCKER);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn told(&self) -> String {
        fs::read_to_string(self.path("told")).unwrap_or_default()
    }

    fn script(&self, script: &str, words: &[&str]) -> Command {
        let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("stages/zephyr");
        let mut command = Command::new("sh");
        let path = format!(
            "{}:{}",
            self.path("bin").display(),
            std::env::var("PATH").unwrap()
        );
        command
            .arg(assets.join(script))
            .args(words)
            .env("PATH", path)
            .env("TOLD", self.path("told"))
            .env("HOME", self.path("home"))
            .env("ZEPHYR_HOME", self.path("none"))
            .env("ZEPHYR_ENTRYPOINTS", assets.join("entrypoints"))
            .env("ZEPHYR_SHIPPED", assets.join("spack_src.yaml"))
            .env("ZEPHYR_STORE", self.path("store"))
            .env("ZEPHYR_CACHE", self.path("cache"))
            .env("ZEPHYR_CONFIG", self.path("config"))
            .env("ZEPHYR_WORKSPACE", self.path("project"))
            .env("ZEPHYR_ROOT", self.path("root"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, script: &str, words: &[&str]) -> Output {
        self.script(script, words).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn pid(child: &std::process::Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

/// Waits until something is so; a minute only guards against hanging.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{what} did not happen");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_projects_list_counts_before_the_shipped_one_and_a_changed_one_is_concretized_anew() {
    let home = Home::new();
    let build = |words: &[&str]| {
        let _ = fs::remove_file(home.path("told"));
        let ended = home.run("entrypoints/spack-build.sh", words);
        assert!(ended.status.success(), "{}", text(&ended.stderr));
        home.told()
    };
    assert!(build(&[]).contains("concretize --force"));
    assert_eq!(
        fs::read(home.path("config/spack/spack.yaml")).unwrap(),
        halolab::spack::ENVIRONMENT.as_bytes()
    );
    let again = build(&[]);
    assert!(
        !again.contains("concretize") && again.contains("install --fail-fast"),
        "{again}"
    );
    fs::write(
        home.path("project/pkg/zephyr/spack_src.yaml"),
        "spack: {specs: [app]}\n",
    )
    .unwrap();
    assert!(build(&["--keep-going"]).contains("concretize"));
    assert!(!home.told().contains("--fail-fast"));
    fs::write(home.path("config/spack/machine.yaml"), "{\"config\": {}}\n").unwrap();
    assert!(build(&[]).contains("concretize"), "the machine changed");
    let plan = build(&["--plan", "--again"]);
    assert!(plan.contains("concretize") && !plan.contains("install"));
    // What a person wrote into the environment itself stays as long as its source does.
    fs::write(
        home.path("config/spack/spack.yaml"),
        "spack: {specs: [app, mine]}\n",
    )
    .unwrap();
    build(&[]);
    assert!(
        fs::read_to_string(home.path("config/spack/spack.yaml"))
            .unwrap()
            .contains("mine")
    );
}

#[test]
fn what_is_after_two_dashes_goes_to_spack_and_what_is_unknown_is_refused() {
    let home = Home::new();
    let ended = home.run("entrypoints/spack-build.sh", &["--keep-going", "--", "-j", "4"]);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    assert!(
        home.told().lines().any(|line| line.ends_with("install -j 4")),
        "{}",
        home.told()
    );
    let refused = home.run("entrypoints/spack-build.sh", &["--kep-going"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("--keep-going"));
    assert_eq!(
        home.run("entrypoints/spack-install.sh", &[]).status.code(),
        Some(2)
    );
    assert_eq!(
        home.run("entrypoints/hf-download.sh", &["--flag"]).status.code(),
        Some(2)
    );
}

#[test]
fn a_build_hears_an_interrupt_to_its_group_though_it_was_started_deaf() {
    let home = Home::new();
    let script = home.script("entrypoints/spack-build.sh", &[]);
    let mut deaf = Command::new("sh");
    deaf.arg("-c")
        .arg("trap '' INT; exec \"$@\"")
        .arg("sh")
        .arg(script.get_program())
        .args(script.get_args());
    for (key, value) in script.get_envs() {
        deaf.env(key, value.unwrap());
    }
    let mut child = deaf
        .env("SLOW", "600")
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    until("the installation", || home.told().contains("install"));
    kill_process_group(pid(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[test]
fn a_recorded_job_loses_no_byte_whoever_stops_listening() {
    let home = Home::new();
    let jobs = home.path("jobs");
    let lines = "i=0; while [ $i -lt 20000 ]; do echo \"line $i\"; i=$((i+1)); done; printf 'no end'; exit 7";
    let mut script = home.script("entrypoints/record.sh", &["flood", "sh", "-c", lines]);
    let mut child = script
        .env("ZEPHYR_JOBS", &jobs)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Whoever listens goes away at once.
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(7));
    let status: Value = serde_json::from_slice(&fs::read(jobs.join("flood.status")).unwrap()).unwrap();
    assert_eq!(
        (status["state"].as_str(), status["exit"].as_i64()),
        (Some("failed"), Some(7))
    );
    let log = fs::read_to_string(jobs.join(status["log"].as_str().unwrap())).unwrap();
    let wanted: String = (0..20000)
        .map(|i| format!("line {i}\n"))
        .chain(["no end".to_owned()])
        .collect();
    assert!(log == wanted, "{} bytes of {}", log.len(), wanted.len());
}

#[test]
fn a_recorded_job_tells_what_happened_in_few_lines_with_places_in_its_log() {
    let home = Home::new();
    let jobs = home.path("jobs");
    let lines = "echo '==> Installing a-1 [1/2]'; printf 'caf\\351 \\000 \"x\" error: bad\\n'; sleep 0.5; printf part; \
                 sleep 0.5; echo 'ial error: second'; i=0; while [ $i -lt 90 ]; do echo \"error: $i\"; i=$((i+1)); done; \
                 printf '[+] /x/y'; exit 3";
    let mut script = home.script("entrypoints/record.sh", &["few", "sh", "-c", lines]);
    let ended = script
        .env("ZEPHYR_JOBS", &jobs)
        .env("ZEPHYR_BEAT", "0.2")
        .output();
    assert_eq!(ended.unwrap().status.code(), Some(3));
    let found = |end: &str| {
        let all = fs::read_dir(&jobs).unwrap().filter_map(Result::ok);
        let mut all = all.map(|entry| entry.path());
        all.find(|path| path.extension().is_some_and(|e| e == end))
            .unwrap()
    };
    let log = fs::read(found("log")).unwrap();
    let told: Vec<Value> = fs::read_to_string(found("jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |ev: &str| told.iter().filter(|line| line["ev"] == *ev).collect::<Vec<_>>();
    assert_eq!((of("start").len(), of("exit").len()), (1, 1), "{told:?}");
    assert_eq!(of("exit")[0]["exit"], 3);
    assert_eq!(of("exit")[0]["off"], log.len());
    let packages: Vec<_> = of("package").iter().map(|line| line["text"].clone()).collect();
    assert_eq!(packages, ["==> Installing a-1 [1/2]", "[+] /x/y"]);
    let errors = of("error");
    assert!(
        errors.iter().any(|line| line["text"] == "partial error: second"),
        "{told:?}"
    );
    assert!(
        (2..92).contains(&errors.len()) && !of("more").is_empty(),
        "a flood is counted: {told:?}"
    );
    for line in errors.iter().chain(&of("package")) {
        let at = usize::try_from(line["off"].as_u64().unwrap()).unwrap();
        let text = line["text"].as_str().unwrap().as_bytes();
        assert_eq!(log[at], text[0], "{line}");
        assert!(at == 0 || log[at - 1] == b'\n', "it begins there: {line}");
    }
    // Nothing of the recorder's own is left.
    let hidden = fs::read_dir(&jobs).unwrap().filter_map(Result::ok);
    let hidden: Vec<_> = hidden
        .filter(|e| e.file_name().as_encoded_bytes()[0] == b'.')
        .collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn a_recorded_job_is_ended_by_an_interrupt_to_all_that_it_started() {
    let home = Home::new();
    let jobs = home.path("jobs");
    let mut script = home.script(
        "entrypoints/record.sh",
        &[
            "slow",
            "sh",
            "-c",
            "trap 'echo heard; exit 2' INT; echo begun; sleep 600 & wait",
        ],
    );
    let mut child = script
        .env("ZEPHYR_JOBS", &jobs)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let log = || {
        let found = fs::read_dir(&jobs).ok()?.filter_map(Result::ok);
        let mut logs = found
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "log"));
        fs::read_to_string(logs.next()?).ok()
    };
    until("the begin", || log().is_some_and(|text| text.contains("begun")));
    kill_process(pid(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(log().unwrap().contains("heard"));
    let status: Value = serde_json::from_slice(&fs::read(jobs.join("slow.status")).unwrap()).unwrap();
    assert_eq!(status["state"], "killed");
}

#[test]
fn names_of_recorded_jobs_lead_nowhere_else() {
    let home = Home::new();
    for name in ["../x", "a/b", "", "-x", ".x", "a\nb"] {
        let ended = home.run("entrypoints/record.sh", &[name, "true"]);
        assert!(!ended.status.success(), "{name:?}");
    }
    assert!(!home.path("cache/zephyr_jobs").exists());
}

#[test]
fn the_launcher_says_the_same_mounts_and_why_the_gpu_is_off() {
    let home = Home::new();
    let launch = |words: &[&str], smi: &str| {
        home.program("nvidia-smi", smi);
        let ended = home.run("launch_container.sh", words);
        (ended.status.code(), text(&ended.stdout), text(&ended.stderr))
    };
    let new = "#!/bin/sh\necho '| NVIDIA-SMI 580.65.06  Driver Version: 580.65.06  CUDA Version: 13.0 |'\n";
    let old = "#!/bin/sh\necho '| NVIDIA-SMI 470.1  Driver Version: 470.1  CUDA Version: 11.4 |'\n";
    let (code, told, said) = launch(&["spack-build", "--keep-going"], new);
    assert_eq!(code, Some(0), "{said}");
    let words: Vec<&str> = told.lines().collect();
    assert!(
        words.ends_with(&["zephyr:base", "--keep-going"]) && words.contains(&"--gpus"),
        "{words:?}"
    );
    let store = format!(
        "type=bind,\"source={}\",target=/opt/spack_store",
        home.path("root/default/spack_store").display()
    );
    assert!(words.contains(&store.as_str()) && home.path("root/default/spack_store").is_dir());
    let (_, told, said) = launch(&["--job", "night", "spack-build"], old);
    assert!(
        said.contains("the GPU is off: the image has CUDA 12.9.1, the driver only 11.4"),
        "{said}"
    );
    assert!(!told.contains("--gpus") && told.contains("--detach") && told.contains("ZEPHYR_GPU=off"));
    assert!(
        told.ends_with("/opt/zephyr/bin/zephyr-record\nzephyr:base\nnight\nzephyr-spack-build\n"),
        "{told}"
    );
    assert_eq!(launch(&["rm", "-rf"], new).0, Some(2));
    home.program("docker", "#!/bin/sh\nexit 1\n");
    let (code, _, said) = launch(&["spack-build"], new);
    assert!(
        code == Some(1) && said.contains("docker build -t zephyr:base .") && said.contains("ZEPHYR_IMAGE"),
        "{said}"
    );
}

#[test]
fn the_launcher_stops_all_that_it_started_and_takes_any_path_and_only_an_image_that_is_there() {
    let home = Home::new();
    let odd = home.path("a, \"b\"");
    fs::create_dir_all(&odd).unwrap();
    let launch = |words: &[&str]| {
        let mut script = home.script("launch_container.sh", words);
        text(&script.env("ZEPHYR_WORKSPACE", &odd).output().unwrap().stdout)
    };
    let told = launch(&["spack-build"]);
    let quoted = odd.display().to_string().replace('"', "\"\"");
    for words in [
        format!("type=bind,\"source={quoted}\",target=/workspace\n"),
        "--pull\nnever\n".to_owned(),
        "--stop-signal\nINT\n--env\nTINI_KILL_PROCESS_GROUP=1\n".to_owned(),
    ] {
        assert!(told.contains(&words), "{words} {told}");
    }
    let recorded = launch(&["--job", "night", "spack-build"]);
    assert!(
        !recorded.contains("--stop-signal"),
        "a recorded job does so itself: {recorded}"
    );
}

#[test]
fn a_change_of_the_list_that_was_cut_is_made_again() {
    let home = Home::new();
    let build = || home.run("entrypoints/spack-build.sh", &[]).status.success();
    assert!(build());
    fs::write(
        home.path("project/pkg/zephyr/spack_src.yaml"),
        "spack: {specs: [app]}\n",
    )
    .unwrap();
    for program in ["rm", "cp", "mv"] {
        home.program(program, "#!/bin/sh\nexit 1\n");
        assert!(!build(), "{program} fails");
        fs::remove_file(home.path("bin").join(program)).unwrap();
    }
    let _ = fs::remove_file(home.path("told"));
    assert!(build());
    assert!(home.told().contains("concretize"), "{}", home.told());
}

#[test]
fn a_shell_keeps_the_path_of_the_image_and_its_owner_the_groups_of_gpus() {
    let home = Home::new();
    home.program("bash", "#!/bin/sh\necho \"bash $*\"\n");
    assert_eq!(text(&home.run("entrypoints/default.sh", &[]).stdout), "bash \n");
    home.program("setpriv", "#!/bin/sh\necho \"$*\"\n");
    for (groups, wanted) in [("0 44 992", "--groups=44,992"), ("0", "--clear-groups")] {
        home.program(
            "id",
            &format!("#!/bin/sh\ncase $1 in -u) echo 0 ;; -G) echo {groups} ;; esac\n"),
        );
        let mut script = home.script("entrypoints/default.sh", &[]);
        let told = text(&script.env("ZEPHYR_UID", "1000").output().unwrap().stdout);
        assert!(
            told.starts_with(&format!("--reuid=1000 --regid=1000 {wanted} -- ")),
            "{told}"
        );
    }
}

#[test]
fn a_job_that_runs_says_so_again_and_again() {
    let home = Home::new();
    let jobs = home.path("jobs");
    let mut script = home.script("entrypoints/record.sh", &["beat", "sleep", "600"]);
    let mut child = script
        .env("ZEPHYR_JOBS", &jobs)
        .env("ZEPHYR_BEAT", "0.1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let file = jobs.join("beat.status");
    for _ in 0..3 {
        until("a beat", || file.exists());
        let status: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(status["state"], "running");
        fs::remove_file(&file).unwrap();
    }
    until("one more", || file.exists());
    kill_process(pid(&child), Signal::TERM).unwrap();
    child.wait().unwrap();
    sleep(Duration::from_millis(300));
    let status: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(status["state"], "killed", "the last word");
}

#[test]
fn facts_are_one_line_of_json() {
    let home = Home::new();
    let ended = home.run("entrypoints/facts.sh", &[]);
    let facts: Value = serde_json::from_slice(&ended.stdout)
        .unwrap_or_else(|e| unreachable!("{e}: {}", text(&ended.stdout)));
    assert_eq!(facts["spack"], "1.1.0");
    assert!(facts["processors"].as_u64().unwrap() > 0);
    fs::write(home.path("os-release"), "ID=arch\n").unwrap();
    let mut script = home.script("entrypoints/facts.sh", &[]);
    let ended = script
        .env("ZEPHYR_OS_RELEASE", home.path("os-release"))
        .output()
        .unwrap();
    let facts: Value = serde_json::from_slice(&ended.stdout)
        .unwrap_or_else(|e| unreachable!("{e}: {}", text(&ended.stderr)));
    assert_eq!(facts["os"], "arch");
}

#[test]
fn what_was_built_says_whether_it_sees_the_gpu() {
    let home = Home::new();
    let bin = home.path("store/views/zephyr/bin");
    fs::create_dir_all(&bin).unwrap();
    fs::create_dir_all(home.path("config/spack")).unwrap();
    let which = Command::new("sh")
        .args(["-c", "command -v python3"])
        .output()
        .unwrap();
    std::os::unix::fs::symlink(text(&which.stdout).trim(), bin.join("python3")).unwrap();
    let torch = "class version: cuda = '12.9'\nclass cuda:\n    is_available = staticmethod(lambda: False)\n__version__ = '2.9.0'\n";
    fs::write(home.path("torch.py"), torch).unwrap();
    let verify = |gpu: &str, lock: &str| {
        fs::write(home.path("config/spack/spack.lock"), lock).unwrap();
        let mut script = home.script("entrypoints/verify.sh", &["--json"]);
        let ended = script
            .env("ZEPHYR_GPU", gpu)
            .env("PYTHONPATH", home.0.path())
            .output()
            .unwrap();
        let found: Value = serde_json::from_slice(&ended.stdout)
            .unwrap_or_else(|e| unreachable!("{e}: {}", text(&ended.stderr)));
        (ended.status.code(), found["checks"].clone())
    };
    let torch = r#"{"name": "py-torch"}"#;
    let (code, checks) = verify("off", torch);
    assert_eq!((code, &checks[0]["ok"]), (Some(0), &true.into()), "{checks}");
    assert!(
        checks[0]["said"]
            .as_str()
            .unwrap()
            .contains("has CUDA 12.9, and sees no GPU"),
        "{checks}"
    );
    assert_eq!(verify("on", torch).0, Some(1), "it was asked for");
    let (code, checks) = verify("off", r#"{"name":"py-numpy"}"#);
    assert_eq!((code, checks.as_array().map(Vec::len)), (Some(0), Some(0)));
}

#[test]
fn an_environment_without_what_could_be_asked_says_so_whether_or_not_it_has_a_python() {
    let home = Home::new();
    let verify = |words: &[&str]| {
        let ended = home.run("entrypoints/verify.sh", words);
        (ended.status.code(), text(&ended.stdout), text(&ended.stderr))
    };
    let (code, _, said) = verify(&["--json"]);
    assert!(
        code == Some(1) && said.contains("run spack-build first"),
        "{said}"
    );
    fs::create_dir_all(home.path("config/spack")).unwrap();
    let lock = |text: &str| fs::write(home.path("config/spack/spack.lock"), text).unwrap();
    lock(r#"{"name":"zlib"}"#);
    let (code, told, _) = verify(&["--json"]);
    assert_eq!((code, told.trim()), (Some(0), r#"{"schema":1,"checks":[]}"#));
    let (_, told, _) = verify(&[]);
    assert!(told.contains("neither PyTorch nor JAX"), "{told}");
    // What a build made is not told to be built first.
    lock(r#"{"name":"py-torch"}"#);
    let (code, _, said) = verify(&["--json"]);
    assert!(
        code == Some(1) && said.contains("there is no Python in") && !said.contains("first"),
        "{said}"
    );
}

/// A stand-in for uv: writes down what it was told, makes what `uv venv` makes, and fails where it is told to.
const UV: &str = r#"#!/bin/sh
echo "$UV_CACHE_DIR $*" >>"$TOLD"
[ "${1:-}" != run ] || { echo "token from ${HF_TOKEN_PATH:-nowhere} into $HF_HOME" >>"$TOLD"; cat >/dev/null; }
for last; do :; done
[ "$1" != venv ] || { mkdir -p "$last/bin"; : >"$last/bin/python"; chmod 755 "$last/bin/python"; }
[ "$last" != missing ] || exit 7
"#;

#[test]
fn packages_of_python_go_into_one_environment_that_sees_what_spack_built() {
    let home = Home::new();
    home.program("uv", UV);
    let install = |words: &[&str]| {
        let _ = fs::remove_file(home.path("told"));
        let ended = home.run("entrypoints/uv-install.sh", words);
        (ended.status.code(), home.told(), text(&ended.stderr))
    };
    let venv = home.path("home/venv").display().to_string();
    let (code, told, said) = install(&["einops", "rich==13"]);
    assert_eq!(code, Some(0), "{said}");
    let cache = home.path("cache/uv").display().to_string();
    assert_eq!(
        told,
        format!(
            "{cache} venv --system-site-packages --python python3 {venv}\n\
             {cache} pip install --python {venv}/bin/python einops rich==13\n"
        )
    );
    assert!(said.contains(&format!(". {venv}/bin/activate")), "{said}");
    // The environment that is there is used, and how uv ended is how it ends.
    let (code, told, said) = install(&["missing"]);
    assert!(
        !told.contains(" venv ") && !said.contains("they are in"),
        "{told} {said}"
    );
    assert_eq!(code, Some(7));
    let bin = home.path("store/views/zephyr/bin");
    fs::create_dir_all(&bin).unwrap();
    home.program("python3", "#!/bin/sh\n");
    fs::copy(home.path("bin/python3"), bin.join("python3")).unwrap();
    let other = home.path("other").display().to_string();
    let (_, told, _) = install(&["--into", &other, "rich"]);
    let python = bin.join("python3").display().to_string();
    assert!(told.contains(&format!("--python {python} {other}\n")), "{told}");
    assert_eq!(install(&["--into", &other]).0, Some(2));
    // In a lab it is the home that outlives the container, whoever asks.
    let kept = home.path("kept");
    fs::create_dir_all(&kept).unwrap();
    let mut script = home.script("entrypoints/uv-install.sh", &["rich"]);
    let ended = script.env("ZEPHYR_HOME", &kept).output().unwrap();
    assert!(kept.join("venv/bin/python").exists(), "{}", text(&ended.stderr));
}

#[test]
fn a_dataset_goes_into_the_shared_cache_and_its_token_is_read_from_a_file() {
    let home = Home::new();
    home.program("uv", UV);
    let ended = home.run("entrypoints/hf-download.sh", &["org/set", "plain", "train"]);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let hub = home.path("cache/huggingface").display().to_string();
    let told = home.told();
    assert!(
        told.contains("run --no-project --with datasets python - org/set plain train\n")
            && told.contains(&format!("token from nowhere into {hub}")),
        "{told}"
    );
    assert!(text(&ended.stderr).contains(&hub), "{}", text(&ended.stderr));
    let token = home.path("home/.cache/huggingface/token");
    fs::create_dir_all(token.parent().unwrap()).unwrap();
    fs::write(&token, "hf_secret").unwrap();
    home.run("entrypoints/hf-download.sh", &["org/set"]);
    let told = home.told();
    assert!(
        told.contains(&format!("token from {}", token.display())) && !told.contains("hf_secret"),
        "{told}"
    );
    for wrong in [&[][..], &["--flag"], &["a", "b", "c", "d"]] {
        let ended = home.run("entrypoints/hf-download.sh", wrong);
        assert_eq!(ended.status.code(), Some(2), "{wrong:?}");
    }
    let failed = home.run("entrypoints/hf-download.sh", &["missing"]);
    assert_eq!(failed.status.code(), Some(7));
}

/// The program's own verbs on the entrypoints: they are the files of the stage.
#[test]
fn entrypoints_are_listed_and_the_launcher_is_handed_out() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halolab"));
        command
            .arg("zephyr")
            .args(arguments)
            .env("HALOLAB_HOME", home.path());
        command.output().unwrap()
    };
    let listed = run(&["list"]);
    assert!(listed.status.success());
    let listed = text(&listed.stdout);
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for name in [
        "default",
        "spack-install",
        "spack-build",
        "uv-install",
        "hf-download",
        "run-job",
    ] {
        assert!(names.contains(&name), "{listed}");
    }
    assert!(
        !names.contains(&"common") && !names.contains(&"record"),
        "{listed}"
    );
    let unknown = run(&["run", "spack-biuld"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        text(&unknown.stderr).contains("there are: build-env, default, "),
        "{}",
        text(&unknown.stderr)
    );
    let file = home.path().join("launch.sh");
    assert!(run(&["launcher", file.to_str().unwrap()]).status.success());
    let shipped =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("stages/zephyr/launch_container.sh")).unwrap();
    assert_eq!(fs::read(&file).unwrap(), shipped);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o755);
    fs::write(&file, "mine").unwrap();
    assert_eq!(run(&["launcher", file.to_str().unwrap()]).status.code(), Some(3));
    assert_eq!(fs::read(&file).unwrap(), b"mine", "what is there is not touched");
}
