//! What Docker's backend does beside the contract of all backends, on the private daemon of `tests/run.sh`.

mod cuts;
mod driver;
mod registry;
mod safety;

use std::{collections::BTreeMap, time::Duration};

use super::common::{
    daemon::{IMAGE, clean, unique},
    docker::docker,
};
use halolab::backend::{
    Backend as _, ConfigEdit, Error, ExecSpec, InstanceSpec, Power, Profile, Progress,
    docker::{Build, BuildEvent, Docker},
};
use tokio::{net::UnixListener, time::timeout};

const LONG: Duration = Duration::from_mins(1);

fn silent() -> Progress {
    Progress::default()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

fn spec(name: &str, config: &[(&str, &str)]) -> InstanceSpec {
    InstanceSpec {
        name: name.into(),
        image: IMAGE.into(),
        config: map(config),
        ..InstanceSpec::default()
    }
}

async fn made(docker: &Docker, name: &str, config: &[(&str, &str)]) {
    docker.create(&spec(name, config), &silent()).await.unwrap();
}

async fn write(docker: &Docker, name: &str, text: &str) {
    let written = docker.push(name, "/root/f", text.as_bytes(), 0o644, (0, 0));
    written.await.unwrap();
}

async fn read(docker: &Docker, name: &str) -> String {
    String::from_utf8(docker.pull(name, "/root/f").await.unwrap()).unwrap()
}

/// What a script prints.
async fn run(docker: &Docker, name: &str, script: &str) -> String {
    let spec = ExecSpec {
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        ..ExecSpec::default()
    };
    let mut said = vec![];
    let mut take = |_: u8, bytes: &[u8]| said.extend_from_slice(bytes);
    docker.exec(name, &spec, &mut take, &silent()).await.unwrap();
    String::from_utf8(said).unwrap()
}

/// Names of the containers that begin with a name, whatever they stand for.
async fn containers(name: &str) -> Vec<String> {
    let socket = std::env::var("HALOLAB_TEST_DOCKER").unwrap();
    let api = bollard::Docker::connect_with_unix(&socket, 60, bollard::API_DEFAULT_VERSION).unwrap();
    let api = api.negotiate_version().await.unwrap();
    let options = bollard::query_parameters::ListContainersOptions {
        all: true,
        ..Default::default()
    };
    let all = api.list_containers(Some(options)).await.unwrap();
    let names = all.into_iter().filter_map(|one| one.names).flatten();
    let names = names.map(|one| one.trim_start_matches('/').to_owned());
    let mut found: Vec<String> = names.filter(|one| one.starts_with(name)).collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_device_of_a_profile_counts_from_the_next_start_and_the_files_stay() {
    let Some(docker) = docker().await else { return };
    let name = unique("renewed");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data"), "from the host").unwrap();
    clean(&docker, &name, async {
        let mut profile = Profile {
            name: name.clone(),
            config: map(&[("limits.memory", "64MiB")]),
            ..Profile::default()
        };
        docker.put_profile(&profile).await.unwrap();
        let wanted = InstanceSpec {
            profiles: vec!["default".into(), name.clone()],
            ..spec(&name, &[("user.halolab.stage", "test")])
        };
        docker.create(&wanted, &silent()).await.unwrap();
        let uuid = docker.instance(&name).await.unwrap().unwrap().uuid;
        write(&docker, &name, "mine").await;
        docker.snapshot(&name, "s").await.unwrap();
        let disk = map(&[
            ("type", "disk"),
            ("source", folder.path().to_str().unwrap()),
            ("path", "/data"),
            ("readonly", "true"),
        ]);
        profile.devices = [("data".to_owned(), disk)].into();
        docker.put_profile(&profile).await.unwrap();
        docker.power(&name, Power::Start).await.unwrap();
        assert_eq!(
            run(&docker, &name, "cat /data/data /root/f").await,
            "from the hostmine"
        );
        assert_eq!(
            run(&docker, &name, "touch /data/x 2>&1 | grep -c Read-only").await,
            "1\n"
        );
        assert_eq!(
            run(
                &docker,
                &name,
                "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null"
            )
            .await,
            "67108864\n"
        );
        let found = docker.instance(&name).await.unwrap().unwrap();
        assert_eq!((&found.uuid, found.tag("stage").is_some()), (&uuid, true));
        assert_eq!(docker.snapshots(&name).await.unwrap().len(), 1);
        assert_eq!(containers(&name).await, [name.as_str()]);
        docker.power(&name, Power::Stop { seconds: 0 }).await.unwrap();
        // A folder that is not there is said, and nothing is half-way.
        let error = {
            let disk = profile.devices.get_mut("data").unwrap();
            disk.insert("source".into(), "/nowhere/at/all".into());
            docker.put_profile(&profile).await.unwrap();
            docker.power(&name, Power::Start).await.unwrap_err().to_string()
        };
        assert!(error.contains("/nowhere/at/all"), "{error}");
        assert_eq!(read(&docker, &name).await, "mine");
    })
    .await;
}

#[tokio::test]
async fn a_restore_leaves_volumes_as_they_are_and_goes_on_running() {
    let Some(docker) = docker().await else { return };
    let name = unique("volumes");
    clean(&docker, &name, async {
        docker.create_volume(&name).await.unwrap();
        docker.create_volume(&name).await.unwrap();
        assert!(
            docker
                .volumes()
                .await
                .unwrap()
                .iter()
                .any(|volume| volume.name == name)
        );
        let disk = map(&[
            ("type", "disk"),
            ("source", &name),
            ("pool", "default"),
            ("path", "/store"),
        ]);
        let wanted = InstanceSpec {
            devices: [("store".to_owned(), disk)].into(),
            ..spec(&name, &[])
        };
        docker.create(&wanted, &silent()).await.unwrap();
        docker.power(&name, Power::Start).await.unwrap();
        run(&docker, &name, "echo 1 >/store/a; echo 1 >/root/f").await;
        docker.snapshot(&name, "s").await.unwrap();
        run(&docker, &name, "echo 2 >/store/a; echo 2 >/root/f").await;
        let uuid = docker.instance(&name).await.unwrap().unwrap().uuid;
        let other = docker
            .restore(&name, "s", "another")
            .await
            .unwrap_err()
            .to_string();
        assert!(other.contains("another instance by now"), "{other}");
        docker.restore(&name, "s", &uuid).await.unwrap();
        assert_eq!(run(&docker, &name, "cat /store/a /root/f").await, "2\n1\n");
        let error = docker.delete_volume(&name).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "in use: {error}");
        docker.power(&name, Power::Stop { seconds: 0 }).await.unwrap();
        docker.delete(&name).await.unwrap();
        docker.delete_volume(&name).await.unwrap();
        let error = docker.delete_volume(&name).await.unwrap_err();
        assert!(matches!(error, Error::Missing { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_first_process_that_ends_at_once_is_a_failed_start_with_its_last_words() {
    let Some(docker) = docker().await else { return };
    let name = unique("first");
    clean(&docker, &name, async {
        made(
            &docker,
            &name,
            &[("docker.command", r#"["sh", "-c", "echo no licence; exit 3"]"#)],
        )
        .await;
        let error = docker.power(&name, Power::Start).await.unwrap_err().to_string();
        assert!(
            error.contains("exit code 3") && error.contains("no licence"),
            "{error}"
        );
        let refused = spec(&format!("{name}-b"), &[("security.nesting", "true")]);
        let error = docker.create(&refused, &silent()).await.unwrap_err().to_string();
        assert!(error.contains("security.nesting"), "{error}");
        assert_eq!(
            containers(&name).await,
            [name.as_str()],
            "nothing is left of what was refused"
        );
    })
    .await;
}

#[tokio::test]
async fn what_a_container_writes_and_uses_is_told_as_it_comes() {
    let Some(docker) = docker().await else { return };
    let name = unique("logs");
    clean(&docker, &name, async {
        let script = r#"["sh", "-c", "echo out; echo err >&2; while :; do :; done"]"#;
        made(&docker, &name, &[("docker.command", script)]).await;
        docker.power(&name, Power::Start).await.unwrap();
        let mut said = vec![];
        let mut take = |fd: u8, bytes: &[u8]| said.push((fd, String::from_utf8_lossy(bytes).into_owned()));
        docker
            .logs(&name, (Some(10), false), &mut take, &silent())
            .await
            .unwrap();
        said.sort();
        assert_eq!(said, [(1, "out\n".to_owned()), (2, "err\n".to_owned())]);
        let mut usage = docker.usage(&name).await.unwrap();
        let mut busy = 0.0;
        while busy < 10.0 {
            let told = timeout(LONG, usage.recv())
                .await
                .expect("tells")
                .expect("is open");
            assert!(told.processes > 0);
            busy = told.processors;
        }
        docker.power(&name, Power::Stop { seconds: 0 }).await.unwrap();
        while timeout(LONG, usage.recv()).await.expect("ends").is_some() {}
    })
    .await;
}

/// A folder to build from.
struct Context(tempfile::TempDir);

impl Context {
    fn new(dockerfile: &str) -> Self {
        let context = Self(tempfile::tempdir().unwrap());
        context.write("Dockerfile", dockerfile);
        context
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.path().join(file), text).unwrap();
    }

    fn build(&self, alias: &str) -> Build {
        Build {
            context: self.0.path().into(),
            alias: alias.into(),
            arguments: map(&[("WORD", "hello")]),
            network: "none".into(),
            ..Build::default()
        }
    }
}

#[tokio::test]
async fn an_image_is_built_step_by_step_and_from_the_cache_where_nothing_that_counts_changed() {
    let Some(docker) = docker().await else { return };
    let name = unique("build");
    let context = Context::new("FROM lab/bb\nARG WORD=none\nCOPY a /a\nRUN echo say $WORD; cat /a >/b\n");
    context.write("a", &name);
    context.write(".dockerignore", "secret\n");
    context.write("secret", "x");
    let build = context.build(&name);
    clean(&docker, &name, async {
        let mut told = vec![];
        let built = docker
            .build(&build, &mut |event| told.push(event), &silent())
            .await
            .unwrap();
        assert_eq!((built.steps, built.cached), (4, 0), "{told:?}");
        let steps: Vec<u32> = told
            .iter()
            .filter_map(|event| match event {
                BuildEvent::Step { number, of: 4, .. } => Some(*number),
                _ => None,
            })
            .collect();
        assert_eq!(steps, [1, 2, 3, 4]);
        let said = BuildEvent::Output(b"say hello\n".to_vec());
        assert!(told.contains(&said), "{told:?}");
        context.write("secret", "y");
        let again = docker.build(&build, &mut |_| {}, &silent()).await.unwrap();
        assert_eq!(
            (again.cached, &again.fingerprint),
            (3, &built.fingerprint),
            "what is ignored changes nothing"
        );
        let lab = InstanceSpec {
            image: name.clone(),
            ..spec(&format!("{name}-lab"), &[])
        };
        docker.create(&lab, &silent()).await.unwrap();
        assert_eq!(docker.pull(&lab.name, "/b").await.unwrap(), name.as_bytes());
        docker.delete(&lab.name).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_build_that_fails_names_its_step_and_what_it_wrote_last() {
    let Some(docker) = docker().await else { return };
    let name = unique("build-fails");
    let context = Context::new("FROM lab/bb\nRUN echo about to fail; exit 7\n");
    let build = context.build(&name);
    let failed = docker.build(&build, &mut |_| {}, &silent()).await.unwrap_err();
    let error = failed.to_string();
    for part in ["step 2/2", "exit 7", "code: 7", "about to fail"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(docker.image(&name).await.unwrap(), None);
    let missing = Build {
        dockerfile: "None".into(),
        ..build
    };
    let error = docker.build(&missing, &mut |_| {}, &silent()).await.unwrap_err();
    assert!(
        matches!(&error, Error::File { path, .. } if path.ends_with("None")),
        "{error}"
    );
}

#[tokio::test]
async fn an_image_that_no_registry_has_is_said_in_the_engines_words() {
    let Some(docker) = docker().await else { return };
    let source = halolab::backend::RemoteImage {
        server: "http://127.0.0.1:1".into(),
        alias: "nobody/nothing".into(),
        ..halolab::backend::RemoteImage::default()
    };
    let error = docker
        .pull_image(&source, "hl-test/none", &silent())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Refused { message, .. } if message.contains("127.0.0.1:1")),
        "{error}"
    );
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_from_one_that_hangs_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let address = format!("unix://{}", socket.display());
    let error = Docker::connect_to(&address).await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("--docker"), "{error}");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let error = Docker::connect_to(&address).await.unwrap_err();
    assert!(matches!(&error, Error::Lost { .. }), "{error:?}");
}

#[tokio::test]
async fn a_gpu_gets_in_as_the_machine_says_and_a_machine_without_one_is_told() {
    let Some(docker) = docker().await else { return };
    let name = unique("gpu");
    let _ = rustls::crypto::ring::default_provider().install_default();
    clean(&docker, &name, async {
        let gpu = map(&[("type", "gpu"), ("vendorid", "1002")]);
        let wanted = InstanceSpec {
            devices: [("gpu".to_owned(), gpu)].into(),
            ..spec(&name, &[])
        };
        let host = |name: &str| docker.clone().on_machine(format!("tests/fixtures/hosts/{name}"));
        let error = host("vm-no-gpu")
            .create(&wanted, &silent())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("there is no GPU `amd` here"), "{error}");
        let strix = host("strix-halo-128-good");
        strix.create(&wanted, &silent()).await.unwrap();
        let devices = devices(&name).await;
        assert!(devices.contains(&"/dev/kfd".to_owned()), "{devices:?}");
        assert!(
            devices.iter().any(|path| path.starts_with("/dev/dri/renderD")),
            "{devices:?}"
        );
    })
    .await;
}

/// The device nodes that a container was made with.
async fn devices(name: &str) -> Vec<String> {
    let socket = std::env::var("HALOLAB_TEST_DOCKER").unwrap();
    let api = bollard::Docker::connect_with_unix(&socket, 60, bollard::API_DEFAULT_VERSION).unwrap();
    let api = api.negotiate_version().await.unwrap();
    let told = api.inspect_container(name, None).await.unwrap();
    let devices = told.host_config.unwrap().devices.unwrap_or_default();
    devices
        .into_iter()
        .filter_map(|device| device.path_on_host)
        .collect()
}
