//! How a container of Docker gets GPUs: decided for machines of every kind, and the body of AMD's and NVIDIA's nodes
//! started on a real daemon with nodes that only look like theirs.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program itself"
)]

#[path = "common/tree.rs"]
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use halolab::host::{
    Report, Root, Severity,
    detect::{Machine, nvml::Nothing},
    docker::{self, Choice, HostConfig, Passing, Surroundings, Unknown, Way},
    matrix::Matrix,
};
use serde_json::{Value, json};

const GB: &str = "GPU-00000000-0000-0000-0000-000000000001";

/// A captured host, with more or other files.
struct Host(tempfile::TempDir);

impl Host {
    fn like(name: &str) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        tree::copy(&Path::new("tests/fixtures/hosts").join(name), host.0.path());
        host
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn replace(self, path: &str, from: &str, to: &str) -> Self {
        let old = fs::read_to_string(self.0.path().join(path)).unwrap();
        assert!(old.contains(from), "{path} has no {from}");
        self.file(path, &old.replace(from, to))
    }

    /// Docker, which answers so.
    fn docker(self, version: &str, more: &Value) -> Self {
        let mut info = json!({"ServerVersion": version, "Runtimes": {"runc": {}}, "SecurityOptions": ["name=seccomp,profile=default"]});
        info.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.file("cmd/docker-info.json", &info.to_string())
            .file("root/usr/bin/dockerd", "")
    }

    /// A specification as `nvidia-ctk cdi generate` writes it.
    fn specification(self, driver: &str, names: &[&str]) -> Self {
        let device = |name: &&str| {
            format!("- containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia0\n  name: \"{name}\"\n")
        };
        let devices = names.iter().map(device).collect::<Vec<_>>().concat();
        let text = format!(
            "cdiVersion: 0.5.0\ncontainerEdits:\n  mounts:\n  - hostPath: /usr/lib/libcuda.so.{driver}\ndevices:\n{devices}kind: nvidia.com/gpu\n"
        );
        self.file("root/var/run/cdi/nvidia.yaml", &text)
    }

    /// The libraries of the driver.
    fn libraries(self) -> Self {
        self.file("root/usr/lib/libcuda.so.1", "")
    }

    fn machine(&self) -> Machine {
        wait(Report::with(self.0.path(), Matrix::shipped(), Arc::new(Nothing))).machine
    }

    fn try_pass(&self, choice: &[&str], cuda: Option<&str>) -> Result<Passing, Unknown> {
        let (machine, root) = (self.machine(), Root::new(self.0.path()));
        let answer = wait(docker::ask(&root, &machine));
        let around = Surroundings::read(&root, &machine, answer.as_ref());
        let words: Vec<String> = choice.iter().map(|word| (*word).to_owned()).collect();
        docker::pass(&machine, &around, Matrix::shipped(), &Choice::of(&words), cuda)
    }

    fn pass(&self, choice: &[&str]) -> Passing {
        self.try_pass(choice, None).unwrap()
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

fn body(passing: &Passing) -> Value {
    serde_json::to_value(&passing.host_config).unwrap()
}

fn ways(passing: &Passing) -> Vec<Way> {
    passing.gpus.iter().map(|gpu| gpu.way).collect()
}

fn said(passing: &Passing) -> String {
    serde_json::to_string(passing).unwrap()
}

#[test]
fn an_instance_of_a_cut_card_goes_by_its_own_identifier_alone() {
    const SLICE: &str = "MIG-00000000-0000-0000-0000-00000000000a";
    let old = format!("MIG-{GB}/1/0");
    let host = Host::like("nvidia-rtx4090-580")
        .docker("28.1.1", &json!({"CDISpecDirs": ["/etc/cdi", "/var/run/cdi"]}));
    let named = host.specification("580.95.05", &["0", GB, SLICE, "all"]);
    let passing = named.pass(&[SLICE]);
    let name = format!("nvidia.com/gpu={SLICE}");
    assert_eq!(
        body(&passing),
        json!({"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": [name]}]})
    );
    assert_eq!(passing.gpus[0].uuid.as_deref(), Some(SLICE));
    // the whole card is not opened in its stead
    let unnamed = named.specification("580.95.05", &["0", GB, "all"]).libraries();
    let none = unnamed.pass(&[SLICE]);
    assert_eq!(body(&none), json!({}), "{none:?}");
    assert!(
        said(&none).contains(&format!("no name for {SLICE}")),
        "{}",
        said(&none)
    );
    // by the engine's own driver, in both spellings
    for slice in [SLICE, old.as_str()] {
        let more = json!({"Runtimes": {"runc": {}, "nvidia": {}}});
        let host = Host::like("nvidia-rtx4090-580").docker("24.0.7", &more);
        let passing = host.pass(&[slice]);
        assert_eq!(body(&passing)["DeviceRequests"][0]["DeviceIDs"], json!([slice]));
        assert_eq!(ways(&passing), [Way::Nvidia]);
    }
    // no such identifier, another card's, or a machine without NVIDIA
    let other = "MIG-GPU-00000000-0000-0000-0000-000000000002/1/0";
    for wrong in ["MIG-1", "MIG-GPU-1/1/0", "mig-0", other] {
        assert!(unnamed.try_pass(&[wrong], None).is_err(), "{wrong}");
    }
    let amd = Host::like("strix-halo-128-good");
    assert!(amd.try_pass(&[SLICE], None).is_err());
}

#[test]
fn nvidia_goes_by_cdi_name_where_engine_and_specification_are_here() {
    let cdi = json!({"CDISpecDirs": ["/etc/cdi", "/var/run/cdi"]});
    let host = Host::like("nvidia-rtx4090-580").docker("28.1.1", &cdi);
    let by_uuid = host.specification("580.95.05", &["0", GB, "all"]);
    let passing = by_uuid.pass(&[]);
    let name = format!("nvidia.com/gpu={GB}");
    assert_eq!(
        body(&passing),
        json!({"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": [name]}]})
    );
    assert_eq!(passing.arguments, ["--device", &name]);
    assert_eq!(
        passing.compose,
        format!(
            "deploy:\n  resources:\n    reservations:\n      devices:\n        - driver: cdi\n          \
             device_ids: [\"{name}\"]\n          capabilities: [gpu]"
        )
    );
    // Toolkits of before had numbers only; a number is taken by the node that it brings, not by its value.
    let by_number = by_uuid.specification("580.95.05", &["7"]);
    assert_eq!(
        by_number.pass(&["01:00.0"]).arguments,
        ["--device", "nvidia.com/gpu=7"]
    );
    let all = by_number.specification("580.95.05", &["all"]).replace(
        "cmd/docker-info.json",
        "\"CDISpecDirs\"",
        "\"DiscoveredDevices\":[{\"Source\":\"cdi\",\"ID\":\"nvidia.com/gpu=all\"}],\"CDISpecDirs\"",
    );
    assert_eq!(all.pass(&[GB]).arguments, ["--device", "nvidia.com/gpu=all"]);
    // From 28.2 on an engine says what it found, and nothing where it found nothing.
    let silent = Host::like("nvidia-rtx4090-580").docker("28.5.2", &cdi);
    let silent = silent.specification("580.95.05", &[GB]).pass(&[]);
    assert!(
        said(&silent).contains("found no CDI specification")
            && said(&silent).contains("systemctl restart docker"),
        "{silent:?}"
    );
    let unseen = all.replace("cmd/docker-info.json", "nvidia.com/gpu=all", "amd.com/gpu=0");
    assert!(said(&unseen.pass(&[])).contains("found no CDI specification"));
}

#[test]
fn a_specification_of_another_driver_is_not_taken() {
    let host = Host::like("nvidia-rtx4090-580")
        .docker(
            "28.1.1",
            &json!({"CDISpecDirs": ["/var/run/cdi"], "Runtimes": {"nvidia": {}}}),
        )
        .specification("570.86.10", &["all"]);
    let passing = host.pass(&[]);
    assert_eq!(ways(&passing), [Way::Nvidia]);
    let refused = &passing.refused[0];
    assert!(
        refused.why.contains("570.86.10") && refused.why.contains("580.95.05"),
        "{refused:?}"
    );
    assert!(
        refused
            .fix
            .as_deref()
            .unwrap()
            .contains("nvidia-ctk cdi generate")
    );
}

#[test]
fn nvidia_goes_by_uuid_where_its_runtime_is_registered() {
    let host =
        Host::like("nvidia-rtx4090-580").docker("20.10.24", &json!({"Runtimes": {"runc": {}, "nvidia": {}}}));
    let passing = host.pass(&[]);
    assert_eq!(
        body(&passing),
        json!({"DeviceRequests": [{"Driver": "nvidia", "DeviceIDs": [GB], "Capabilities": [["gpu", "compute", "utility"]]}]})
    );
    assert_eq!(
        passing.arguments,
        [
            "--gpus",
            &format!("driver=nvidia,device={GB},\"capabilities=compute,utility\"")
        ]
    );
    assert!(!said(&passing).contains("Count"));
    let machine = host.machine();
    assert_eq!(passing.finding(&machine), None);
}

/// An H100 under Docker 28.5.2: kernels ran in containers that got it by each of these ways.
#[test]
fn a_real_engine_and_specification_give_the_names_that_worked() {
    let host = || Host::like("nvidia-h100-docker");
    let name = format!("nvidia.com/gpu={GB}");
    assert_eq!(
        body(&host().pass(&[GB])),
        json!({"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": [name]}]})
    );
    assert_eq!(ways(&host().pass(&[])), [Way::Cdi]);
    assert_eq!(host().pass(&[]).finding(&host().machine()), None);
    // The specification went, and the engine says so.
    let without = host()
        .replace("root/etc/cdi/nvidia.yaml", "nvidia.com/gpu", "example.com/none")
        .replace("cmd/docker-info.json", "nvidia.com/gpu", "example.com/none");
    let passing = without.pass(&[GB]);
    assert_eq!(ways(&passing), [Way::Nodes]);
    assert_eq!(
        body(&passing)["Mounts"][0]["Source"],
        "/usr/local/nvidia/lib64",
        "{passing:?}"
    );
}

#[test]
fn nvidia_goes_by_plain_nodes_where_nothing_else_is_here() {
    let host = Host::like("nvidia-rtx4090-580")
        .docker("20.10.24", &json!({}))
        .libraries();
    let passing = host.pass(&[]);
    let nodes = [
        "/dev/nvidia0",
        "/dev/nvidiactl",
        "/dev/nvidia-uvm",
        "/dev/nvidia-uvm-tools",
    ];
    let devices: Vec<Value> = nodes
        .iter()
        .map(|path| json!({"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"}))
        .collect();
    assert_eq!(
        body(&passing),
        json!({"Devices": devices, "Mounts": [{"Type": "bind", "Source": "/usr/lib", "Target": "/opt/halolab/host-driver", "ReadOnly": true}]})
    );
    let finding = passing.finding(&host.machine()).unwrap();
    assert_eq!(
        (finding.id.as_str(), finding.severity),
        ("docker.no_gpu", Severity::Info)
    );
    assert!(finding.seen.contains("20.10.24"), "{finding:?}");
    let nothing = Host::like("nvidia-rtx4090-580").docker("28.2.2", &json!({"CDISpecDirs": ["/etc/cdi"]}));
    let passing = nothing.pass(&[]);
    assert!(passing.host_config.is_empty() && passing.gpus.is_empty());
    let finding = passing.finding(&nothing.machine()).unwrap();
    assert_eq!(finding.severity, Severity::Warn);
    let fix = finding.fix.unwrap();
    assert!(
        fix.contains("nvidia-container-toolkit") && fix.contains("nvidia-ctk cdi generate"),
        "{fix}"
    );
}

#[test]
fn doctor_and_detect_say_it() {
    let host = Host::like("nvidia-rtx4090-580").docker("20.10.24", &json!({}));
    let run = |words: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_halolab"));
        let ran = program
            .args(words)
            .arg("--root")
            .arg(host.0.path())
            .output()
            .unwrap();
        String::from_utf8(ran.stdout).unwrap()
    };
    let doctor = run(&["doctor"]);
    assert!(doctor.contains("WARN  docker.no_gpu"), "{doctor}");
    assert!(
        doctor.contains("sudo nvidia-ctk runtime configure --runtime=docker"),
        "{doctor}"
    );
    let text = run(&["detect", "--docker", "--gpu", "none"]);
    assert!(
        text.contains("GPU       none gets in") && text.contains("no GPU is wanted"),
        "{text}"
    );
    assert!(
        !run(&["detect", "--json"]).contains("\"docker\":{"),
        "only where it is asked for"
    );
}

#[test]
fn the_toolkit_that_is_here_is_not_installed_again() {
    let host = Host::like("nvidia-rtx4090-580")
        .docker("20.10.24", &json!({}))
        .file("root/usr/bin/nvidia-ctk", "");
    let fixes: Vec<String> = host
        .pass(&[])
        .refused
        .into_iter()
        .filter_map(|refused| refused.fix)
        .collect();
    assert!(
        fixes
            .iter()
            .any(|fix| fix.starts_with("sudo nvidia-ctk runtime configure --runtime=docker")),
        "{fixes:?}"
    );
}

#[test]
fn settings_tell_where_the_engine_does_not() {
    let like = || {
        Host::like("nvidia-rtx4090-580")
            .file("root/usr/bin/dockerd", "")
            .specification("580.95.05", &["all"])
    };
    let status =
        |version: &str| format!("Package: docker.io\nStatus: install ok installed\nVersion: {version}\n");
    let dpkg = "root/var/lib/dpkg/status";
    for (version, settings, wanted) in [
        ("5:28.2.2-1~debian.12~bookworm", "{}", vec![Way::Cdi]),
        (
            "5:28.2.2-1~debian.12~bookworm",
            r#"{"features": {"cdi": false}}"#,
            vec![],
        ),
        ("5:27.1.0-1", "{}", vec![]),
        ("5:27.1.0-1", r#"{"features": {"cdi": true}}"#, vec![Way::Cdi]),
        ("20.10.24+dfsg1-1", r#"{"features": {"cdi": true}}"#, vec![]),
        (
            "20.10.24+dfsg1-1",
            r#"{"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}}"#,
            vec![Way::Nvidia],
        ),
        ("20.10.24+dfsg1-1", "{ broken", vec![]),
    ] {
        let host = like()
            .file("root/etc/docker/daemon.json", settings)
            .file(dpkg, &status(version));
        let host = host.file("root/etc/os-release", "ID=debian\n");
        assert_eq!(
            ways(&host.pass(&[])),
            wanted,
            "{version} {settings}: {}",
            said(&host.pass(&[]))
        );
    }
}

#[test]
fn amd_gets_its_nodes_with_numbers_of_groups() {
    let passing = Host::like("strix-halo-128-good").pass(&[]);
    let config = &passing.host_config;
    let paths: Vec<&str> = config
        .devices
        .iter()
        .map(|d| d.path_in_container.as_str())
        .collect();
    assert_eq!(paths, ["/dev/dri/renderD128", "/dev/kfd", "/dev/accel/accel0"]);
    assert_eq!(config.group_add, ["989"]);
    assert_eq!(config.security_opt, [""; 0], "{}", said(&passing));
    // Nodes that everybody may open need no group.
    let open = Host::like("hybrid-strix-halo-rtx4090").pass(&["amd"]);
    assert!(open.host_config.group_add.is_empty() && !open.host_config.devices.is_empty());
    // A card that is cut has a node for each part.
    let cut = Host::like("mi300x-cpx").pass(&[]).host_config;
    assert_eq!(cut.devices.len(), 9, "{cut:?}");
    let intel = Host::like("intel-only").pass(&[]);
    assert_eq!(
        intel.arguments,
        ["--device", "/dev/dri/renderD128", "--group-add", "992"]
    );
}

#[test]
fn groups_that_the_engine_would_change_are_kept_or_refused() {
    let options = |name: &str| json!({"SecurityOptions": [format!("name={name}")]});
    let remapped = Host::like("strix-halo-128-good")
        .docker("28.1.1", &options("userns"))
        .pass(&[]);
    assert_eq!(remapped.host_config.userns_mode.as_deref(), Some("host"));
    let rootless = Host::like("strix-halo-kfd-denied")
        .docker("28.1.1", &options("rootless"))
        .pass(&[]);
    assert!(rootless.host_config.is_empty(), "{}", said(&rootless));
    assert!(said(&rootless).contains("runs without root"));
    let podman = Host::like("strix-halo-128-good")
        .docker("5.4.0", &json!({"BuildahVersion": "1.39", "Rootless": true}));
    assert_eq!(podman.pass(&[]).host_config.group_add, ["keep-groups"]);
}

#[test]
fn podman_takes_cdi_names() {
    let host = Host::like("nvidia-rtx4090-580")
        .docker(
            "5.4.0",
            &json!({"BuildahVersion": "1.39", "SecurityOptions": ["name=selinux"]}),
        )
        .specification("580.95.05", &["all"]);
    let passing = host.pass(&[]);
    assert_eq!(
        passing.arguments,
        [
            "--device",
            "nvidia.com/gpu=all",
            "--security-opt",
            "label=disable"
        ]
    );
    assert!(
        passing.host_config.devices.is_empty(),
        "its API takes only nodes there"
    );
    assert_eq!(passing.host_config.device_requests[0].driver, "cdi");
}

#[test]
fn a_machine_with_both_asks() {
    let host =
        Host::like("hybrid-strix-halo-rtx4090").docker("28.1.1", &json!({"CDISpecDirs": ["/var/run/cdi"]}));
    let host = host.specification("580.95.05", &["0", "all"]);
    let passing = host.pass(&[]);
    assert!(passing.host_config.is_empty() && passing.gpus.is_empty());
    assert_eq!(passing.ask, ["0000:65:00.0", "0000:c5:00.0"]);
    assert_eq!(ways(&host.pass(&["0000:65:00.0"])), [Way::Cdi]);
    assert_eq!(ways(&host.pass(&["c5:00.0"])), [Way::Nodes]);
    assert_eq!(ways(&host.pass(&["all"])), [Way::Cdi, Way::Nodes]);
    assert!(host.pass(&["none"]).host_config.is_empty());
    // The image says it, too.
    let by_image = host.try_pass(&[], Some("13.0.2")).unwrap();
    assert_eq!((ways(&by_image), by_image.ask.len()), (vec![Way::Cdi], 0));
    let unknown = host.try_pass(&["0000:99:00.0"], None).unwrap_err().to_string();
    assert!(
        unknown.contains("0000:65:00.0") && unknown.contains("0000:99:00.0"),
        "{unknown}"
    );
}

#[test]
fn an_image_that_does_not_fit_leaves_the_gpu_off() {
    let host = Host::like("nvidia-rtx4090-525").docker("20.10.24", &json!({"Runtimes": {"nvidia": {}}}));
    let passing = host.try_pass(&[], Some("12.9.1")).unwrap();
    assert!(passing.host_config.is_empty() && passing.gpus.is_empty());
    let image = passing.image.unwrap();
    assert!(image.why.unwrap().contains("refuse to start"));
    assert_eq!(image.nearest.as_deref(), Some("12.0.1"));
    let fits = host.try_pass(&[], Some("12.0.1")).unwrap();
    assert_eq!((ways(&fits), fits.image.unwrap().why), (vec![Way::Nvidia], None));
    let far = host.try_pass(&[], Some("13.0.2")).unwrap().image.unwrap();
    assert!(far.why.unwrap().contains("580.65.06"));
    // CDI does not check what images ask: the driver's own compatibility counts.
    let cdi = Host::like("nvidia-rtx4090-525")
        .docker("28.1.1", &json!({"CDISpecDirs": ["/var/run/cdi"]}))
        .specification("525.147.05", &["all"]);
    let passing = cdi.try_pass(&[], Some("12.9.1")).unwrap();
    assert_eq!(ways(&passing), [Way::Cdi]);
    let amd = Host::like("strix-halo-128-good")
        .try_pass(&[], Some("12.9.1"))
        .unwrap();
    assert!(amd.image.unwrap().why.unwrap().contains("no GPU of NVIDIA"));
}

#[test]
fn windows_and_machines_without_a_gpu_say_why() {
    let wsl = Host::like("wsl2-nvidia").docker("28.1.1", &json!({"CDISpecDirs": ["/var/run/cdi"]}));
    let passing = wsl.pass(&[]);
    assert!(passing.host_config.is_empty());
    assert!(said(&passing).contains("--mode=wsl"), "{}", said(&passing));
    let ready = wsl.specification("581.57", &["all"]).pass(&[]);
    assert_eq!(ready.arguments, ["--device", "nvidia.com/gpu=all"]);
    for name in ["vm-no-gpu", "vm-qemu-virtio-gpu"] {
        let passing = Host::like(name).pass(&[]);
        assert!(
            passing.host_config.is_empty() && passing.refused.is_empty(),
            "{}",
            said(&passing)
        );
        assert!(said(&passing).contains("no GPU that containers could compute on"));
    }
}

#[test]
fn no_captured_host_fails_and_none_gets_a_finding_without_an_engine() {
    for path in tree::hosts() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let host = Host::like(&name);
        // Some were captured with the answers of an engine.
        let engine = path.join("cmd/docker-info.json").exists();
        for choice in [&[][..], &["all"], &["none"]] {
            let passing = host.pass(choice);
            assert!(engine || passing.finding(&host.machine()).is_none(), "{name}");
            let read: HostConfig = serde_json::from_value(body(&passing)).unwrap();
            assert_eq!(read, passing.host_config, "{name}");
        }
    }
}

/// The private daemon; none where the environment says to skip what needs one.
fn daemon() -> Option<String> {
    let socket = std::env::var("HALOLAB_TEST_DOCKER").unwrap_or_default();
    assert!(
        !socket.is_empty(),
        "HALOLAB_TEST_DOCKER names no daemon: run `tests/run.sh`, which starts a private one, \
         or set HALOLAB_TEST_DOCKER=skip to leave these tests out"
    );
    (socket != "skip").then_some(socket)
}

/// A call to the daemon; its answer must be one of success.
fn call(socket: &str, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().unix_socket(socket).build().unwrap();
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = client.request(method, format!("http://docker{path}"));
    if let Some(body) = body {
        request = request.json(body);
    }
    wait(async {
        let answer = request.send().await.unwrap();
        let (status, bytes) = (answer.status(), answer.bytes().await.unwrap());
        assert!(
            status.is_success(),
            "{path}: {status} {}",
            String::from_utf8_lossy(&bytes)
        );
        bytes.to_vec()
    })
}

/// What a script prints as user 1234 of a container with this body.
fn inside(socket: &str, config: &Value, script: &str) -> String {
    let mut config = config.clone();
    config["NetworkMode"] = "none".into();
    let body = json!({"Image": "lab/bb", "Cmd": ["sh", "-c", script], "User": "1234:1234", "Tty": true, "HostConfig": config});
    let made: Value =
        serde_json::from_slice(&call(socket, "POST", "/containers/create", Some(&body))).unwrap();
    let id = made["Id"].as_str().unwrap();
    call(socket, "POST", &format!("/containers/{id}/start"), None);
    call(socket, "POST", &format!("/containers/{id}/wait"), None);
    let text = call(
        socket,
        "GET",
        &format!("/containers/{id}/logs?stdout=1&stderr=1"),
        None,
    );
    call(socket, "DELETE", &format!("/containers/{id}?force=1"), None);
    String::from_utf8(text).unwrap().replace('\r', "")
}

/// Nodes of other numbers, in truth `/dev/zero` and its like, with the owners that they have on the captured host.
struct Nodes(PathBuf);

impl Nodes {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(format!("/dev/hl-test-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Leads the devices of a body to nodes of ours.
    fn stand_in(&self, config: &mut HostConfig, root: &Root) {
        for (number, device) in config.devices.iter_mut().enumerate() {
            let node = root.node(&device.path_on_host).unwrap();
            let path = self.0.join(number.to_string());
            let mut made = Command::new("mknod");
            made.arg("-m")
                .arg(format!("{:o}", node.mode))
                .arg(&path)
                .args(["c", "1", "5"]);
            let made = made.status().unwrap();
            assert!(made.success(), "mknod needs root");
            std::os::unix::fs::chown(&path, Some(node.uid), Some(node.gid)).unwrap();
            path.to_str().unwrap().clone_into(&mut device.path_on_host);
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_user_in_a_container_opens_amd_nodes_by_the_number_of_their_group() {
    let Some(socket) = daemon() else { return };
    let host = Host::like("strix-halo-128-good")
        .replace(
            "dev.index",
            "/dev/kfd\tc\t237\t0\t0666\t0\t989",
            "/dev/kfd\tc\t237\t0\t0660\t0\t4711",
        )
        .replace(
            "dev.index",
            "/dev/dri/renderD128\tc\t226\t128\t0666\t0\t989",
            "/dev/dri/renderD128\tc\t226\t128\t0660\t0\t4712",
        )
        .replace(
            "dev.index",
            "/dev/accel/accel0\tc\t261\t0\t0660\t0\t989",
            "/dev/accel/accel0\tc\t261\t0\t0660\t0\t4711",
        );
    let mut config = host.pass(&[]).host_config;
    assert_eq!(config.group_add, ["4712", "4711"]);
    let nodes = Nodes::new("amd");
    nodes.stand_in(&mut config, &Root::new(host.0.path()));
    let script = "id -G; for node in /dev/dri/renderD128 /dev/kfd /dev/accel/accel0; do \
                  stat -c '%a %g %F' $node; head -c 1 $node >/dev/null 2>&1 && echo opened || echo denied; done";
    let seen = inside(&socket, &serde_json::to_value(&config).unwrap(), script);
    let node = |gid| format!("660 {gid} character special file\nopened\n");
    let wanted = format!("1234 4712 4711\n{}{}{}", node(4712), node(4711), node(4711));
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut groups: Vec<&str> = lines[0].split(' ').collect();
        groups.sort_unstable();
        lines[0] = groups.join(" ");
        lines
    };
    assert_eq!(sorted(&seen), sorted(&wanted));
    // The groups are what does it.
    let mut without = serde_json::to_value(&config).unwrap();
    without.as_object_mut().unwrap().remove("GroupAdd");
    let seen = inside(&socket, &without, script);
    assert_eq!(seen.matches("denied").count(), 3, "{seen}");
    // The same by the words for `docker run`.
    let ran = Command::new("docker")
        .env("DOCKER_HOST", format!("unix://{socket}"))
        .args(["run", "--rm", "--network", "none", "--user", "1234:1234"])
        .args(config.arguments())
        .args(["lab/bb", "sh", "-c", script])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(sorted(&text), sorted(&wanted));
}

#[test]
fn the_driver_of_a_machine_without_a_toolkit_is_seen_and_cannot_be_written() {
    let Some(socket) = daemon() else { return };
    let host = Host::like("nvidia-rtx4090-580").libraries();
    let real = host.0.path().join("root/usr/lib");
    let mut config = host.pass(&[]).host_config;
    let nodes = Nodes::new("nvidia");
    nodes.stand_in(&mut config, &Root::new(host.0.path()));
    for folder in [
        host.0.path(),
        &host.0.path().join("root"),
        &host.0.path().join("root/usr"),
        &real,
    ] {
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    }
    real.to_str().unwrap().clone_into(&mut config.mounts[0].source);
    let script = "for node in nvidia0 nvidiactl nvidia-uvm nvidia-uvm-tools; do head -c 1 /dev/$node >/dev/null && echo opened; done; \
                  ls /opt/halolab/host-driver; touch /opt/halolab/host-driver/mine 2>&1 | grep -o 'Read-only file system'";
    let seen = inside(&socket, &serde_json::to_value(&config).unwrap(), script);
    assert_eq!(
        seen,
        format!("{}libcuda.so.1\nRead-only file system\n", "opened\n".repeat(4))
    );
}

#[test]
fn an_engine_that_is_asked_says_what_it_cannot() {
    let Some(socket) = daemon() else { return };
    let info: Value = serde_json::from_slice(&call(&socket, "GET", "/info", None)).unwrap();
    let host = Host::like("nvidia-rtx4090-580")
        .file("cmd/docker-info.json", &info.to_string())
        .specification("580.95.05", &["all"])
        .libraries();
    let passing = host.pass(&[]);
    assert_eq!(passing.engine.version.as_deref(), info["ServerVersion"].as_str());
    assert!(passing.engine.answered && passing.engine.runtimes.contains(&"runc".to_owned()));
    // What was decided is what the engine would have said.
    let request = |driver: &str, id: &str| json!({"DeviceRequests": [{"Driver": driver, "DeviceIDs": [id], "Capabilities": [["gpu"]]}]});
    for (driver, way, id) in [
        ("cdi", Way::Cdi, "nvidia.com/gpu=all"),
        ("nvidia", Way::Nvidia, GB),
    ] {
        let body = json!({"Image": "lab/bb", "Cmd": ["true"], "HostConfig": request(driver, id)});
        let made: Value =
            serde_json::from_slice(&call(&socket, "POST", "/containers/create", Some(&body))).unwrap();
        let name = made["Id"].as_str().unwrap();
        let text = start(&socket, name);
        call(&socket, "DELETE", &format!("/containers/{name}?force=1"), None);
        let refused = text.contains(&format!("could not select device driver \\\"{driver}\\\""));
        assert_eq!(refused, !ways(&passing).contains(&way), "{driver}: {text}");
        assert!(refused, "this daemon can pass GPUs by {driver}: {text}");
    }
    // The program asks the same engine.
    let ran = Command::new(env!("CARGO_BIN_EXE_halolab"))
        .env("DOCKER_HOST", format!("unix://{socket}"))
        .args(["detect", "--docker", "--json"])
        .output()
        .unwrap();
    let value: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(value["docker"]["engine"]["answered"], true);
    assert_eq!(value["docker"]["engine"]["version"], info["ServerVersion"]);
    assert_eq!(value["schema"], 1);
}

/// Starts a container, which may fail, and gives the daemon's words.
fn start(socket: &str, name: &str) -> String {
    let client = reqwest::Client::builder().unix_socket(socket).build().unwrap();
    wait(async {
        let path = format!("http://docker/containers/{name}/start");
        client.post(path).send().await.unwrap().text().await.unwrap()
    })
}
