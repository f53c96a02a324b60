//! An image that is built, and two workspaces of it that are started, on a dockerd of the test's own with a way out over a
//! bridge of the test's (`HALOLAB_TEST_BRIDGE`): packages come from Debian's mirror.
//!
//! `HALOLAB_TEST_WORKSPACE=code,screen,…` builds more profiles than `base`, which takes minutes;
//! `HALOLAB_TEST_WORKSPACE_ENGINE="FOLDER ADDRESS [IMAGE]"` names an engine that is up and linked (`tests/lab/docker.sh`) and
//! stays, and an image of it that was built with these profiles.

#[path = "lists.rs"]
mod lists;

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use halolab::{
    backend::{Progress, docker::Docker},
    host::certificates::added,
    workspace::{
        Service,
        image::{Base, Choice, Recipe, recipe},
        probe::{ASK, DEADLINE, Health, Inside, Report, Target, judge, probe},
    },
};
use tempfile::TempDir;

const IMAGE: &str = "halolab/workspace:test";
const PASSWORD: &str = "it's \"a\" 100% secret: $(x)";
/// Seconds for services to answer: a guard against hanging.
const GUARD: u64 = 300;

struct Engine {
    folder: PathBuf,
    address: String,
    keeps: bool,
    /// One that was built before.
    image: Option<String>,
    files: TempDir,
}

fn script(name: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab").join(name);
    let ran = Command::new("bash").arg(script).args(arguments).output().unwrap();
    assert!(
        ran.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

impl Engine {
    fn up() -> Self {
        let files = tempfile::tempdir().unwrap();
        let given = env::var("HALOLAB_TEST_WORKSPACE_ENGINE").unwrap_or_default();
        if let [folder, address, image @ ..] = given.split(' ').collect::<Vec<_>>().as_slice() {
            return Self {
                folder: folder.into(),
                address: (*address).to_owned(),
                keeps: true,
                image: image.first().map(|image| (*image).to_owned()),
                files,
            };
        }
        let bridge = env::var("HALOLAB_TEST_BRIDGE").expect(
            "HALOLAB_TEST_BRIDGE names no bridge with a way out: run `tests/run.sh`, or set HALOLAB_TEST_WORKSPACE=skip",
        );
        let cache =
            env::var("HALOLAB_TEST_CACHE").expect("HALOLAB_TEST_CACHE names no folder: run `tests/run.sh`");
        let shown = Command::new("ip")
            .args(["-4", "-o", "address", "show", "dev", &bridge])
            .output()
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        let inet = shown
            .split_whitespace()
            .find(|word| word.contains('/'))
            .expect("the bridge has an address");
        let (gateway, length) = inet.split_once('/').unwrap();
        let address = format!("{}.251", gateway.rsplit_once('.').unwrap().0);
        let image = script("debian-image.sh", &[&cache]);
        let folder = files.path().join("docker");
        let engine = Self {
            folder,
            address,
            keeps: false,
            image: None,
            files,
        };
        let at = engine.folder.to_str().unwrap();
        script("docker.sh", &["up", at]);
        script("docker.sh", &["import", at, "lab/debian", &image]);
        script(
            "docker.sh",
            &[
                "link",
                at,
                &bridge,
                &format!("{}/{length}", engine.address),
                gateway,
            ],
        );
        engine
    }

    fn socket(&self) -> String {
        format!("unix://{}", self.folder.join("docker.sock").display())
    }

    /// Docker's own client: whether it ended well, and what it wrote.
    fn docker(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new("docker");
        let ran = command
            .env("DOCKER_HOST", self.socket())
            .args(arguments)
            .output()
            .unwrap();
        let text = [ran.stdout, ran.stderr].concat();
        (ran.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn does(&self, arguments: &[&str]) -> String {
        let (well, text) = self.docker(arguments);
        assert!(well, "docker {arguments:?}: {text}");
        text
    }

    fn start(&self, user: &User, image: &str) {
        let Self { files, address, .. } = self;
        let mut arguments: Vec<String> = ["run", "-d", "--network", "ws-test", "--stop-timeout", "30"]
            .map(str::to_owned)
            .into();
        let name = user.lab();
        arguments.extend(["--name".into(), name.clone(), "--hostname".into(), name]);
        arguments.extend(["--tmpfs".into(), "/run:exec,mode=755".into()]);
        for (key, value) in [
            ("USER", user.name.to_owned()),
            ("UID", user.id.to_string()),
            ("GID", user.id.to_string()),
            ("SERVICES", user.services.join(",")),
        ] {
            arguments.extend(["-e".into(), format!("WS_{key}={value}")]);
        }
        for (folder, path, ending) in [
            ("home", format!("/home/{}", user.name), ""),
            ("scratch", "/workspace".into(), ""),
            ("state", "/var/lib/state".into(), ""),
            ("secrets", "/run/secrets".into(), ":ro"),
            // nothing that has to be waited for: no package of the distribution is fetched
            ("apt", "/etc/apt".into(), ":ro"),
        ] {
            let source = files.path().join(user.name).join(folder);
            fs::create_dir_all(&source).unwrap();
            arguments.extend(["-v".into(), format!("{}:{path}{ending}", source.display())]);
        }
        for target in self.targets(user) {
            arguments.extend([
                "-p".into(),
                format!("{address}:{}:{}", target.address.port(), target.protocol.inside()),
            ]);
        }
        arguments.push(image.into());
        self.does(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }

    fn targets(&self, user: &User) -> Vec<Target> {
        let protocols = user.services.iter().filter_map(|service| Service::named(service));
        let offset = |protocol| match protocol {
            Service::Ssh => 22,
            other => Service::ALL.iter().position(|each| *each == other).unwrap(),
        };
        let target = |protocol: Service| Target {
            protocol,
            address: SocketAddr::new(
                self.address.parse().unwrap(),
                user.base + u16::try_from(offset(protocol)).unwrap(),
            ),
        };
        protocols.map(target).collect()
    }

    async fn look(&self, user: &User) -> Vec<Report> {
        let lab = user.lab();
        let (well, text) = self.docker(&[&["exec", &lab][..], &ASK].concat());
        let inside = if well {
            Inside::read(text.as_bytes())
        } else {
            Inside::away(&text)
        };
        let probed = probe(&self.targets(user), DEADLINE).await;
        judge(&lab, &user.services, &inside, &probed)
    }

    /// Waits until each service answers.
    async fn ready(&self, user: &User) -> Vec<Report> {
        let begun = Instant::now();
        loop {
            let reports = self.look(user).await;
            if reports.iter().all(|report| report.health == Health::Up) {
                println!(
                    "{}: all of {:?} answer after {:?}",
                    user.name,
                    user.services,
                    begun.elapsed()
                );
                return reports;
            }
            let log = || self.docker(&["logs", &user.lab()]).1;
            assert!(begun.elapsed().as_secs() < GUARD, "{reports:#?}\n{}", log());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// A real client, in the image: it goes to the mapped port and believes no other key than the one given.
    fn ssh(&self, user: &User, known: &str, how: &str, script: &str) -> (bool, String) {
        let port = user.base + 22;
        let client = self.files.path().join("client");
        fs::create_dir_all(&client).unwrap();
        fs::write(
            client.join("known"),
            format!("[{}]:{port} {known}\n", self.address),
        )
        .unwrap();
        fs::write(client.join("ask"), "#!/bin/sh\ncat /client/password\n").unwrap();
        fs::write(client.join("password"), PASSWORD).unwrap();
        let inner = format!(
            "chmod 755 /client/ask; SSH_ASKPASS=/client/ask SSH_ASKPASS_REQUIRE=force ssh -p {port} -i /client/key \
             -o UserKnownHostsFile=/client/known -o StrictHostKeyChecking=yes -o PreferredAuthentications={how} \
             -o NumberOfPasswordPrompts=1 {}@{} '{script}'",
            user.name, self.address
        );
        let mount = format!("{}:/client", client.display());
        self.docker(&[
            "run",
            "--rm",
            "--network",
            "host",
            "--entrypoint",
            "sh",
            "-v",
            &mount,
            IMAGE,
            "-c",
            &inner,
        ])
    }

    fn file(&self, user: &User, path: &str) -> PathBuf {
        self.files.path().join(user.name).join(path)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.keeps {
            for name in ["ws-anna", "ws-ben", "ws-root"] {
                self.docker(&["rm", "-f", "-v", name]);
            }
            self.docker(&["network", "rm", "ws-test"]);
        } else {
            script("docker.sh", &["down", self.folder.to_str().unwrap()]);
        }
    }
}

struct User {
    name: &'static str,
    id: u32,
    base: u16,
    services: Vec<&'static str>,
}

impl User {
    fn lab(&self) -> String {
        format!("ws-{}", self.name)
    }
}

async fn build(engine: &Engine, made: &Recipe) {
    let folder = engine.files.path().join("context");
    super::write(made, &folder);
    let mut build = made.build.clone();
    build.context = folder;
    build.network = "host".into();
    let docker = Docker::connect_to(&engine.socket()).await.unwrap();
    let begun = Instant::now();
    let built = docker
        .build(&build, &mut |_| {}, &Progress::default())
        .await
        .unwrap();
    println!(
        "{} steps, {} cached, {:?}",
        built.steps,
        built.cached,
        begun.elapsed()
    );
}

fn key(engine: &Engine) -> String {
    let client = engine.files.path().join("client");
    fs::create_dir_all(&client).unwrap();
    let mount = format!("{}:/client", client.display());
    engine.does(&[
        "run",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        "ssh-keygen",
        "-v",
        &mount,
        IMAGE,
        "-q",
        "-t",
        "ed25519",
        "-N",
        "",
        "-f",
        "/client/key",
    ]);
    fs::read_to_string(client.join("key.pub")).unwrap()
}

fn secret(engine: &Engine, user: &User, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let file = engine.file(user, "secrets").join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Builds the image on the engine, and checks that its labels say what it was made from.
async fn made(engine: &Engine, wanted: &str) -> Recipe {
    let choice = Choice {
        profiles: wanted.split(',').map(str::to_owned).collect(),
        base: Base::Image("lab/debian:latest".into()),
        authorities: added(Path::new("/")),
        ..Choice::default()
    };
    let made = recipe(&choice, IMAGE).unwrap();
    if let Some(image) = &engine.image {
        engine.does(&["tag", image, IMAGE]);
        return made;
    }
    build(engine, &made).await;
    let labels = engine.does(&["image", "inspect", "-f", "{{json .Config.Labels}}", IMAGE]);
    assert!(made.made(&serde_json::from_str(&labels).unwrap()), "{labels}");
    made
}

/// The public part of SSH's key of a workspace.
fn host_key(engine: &Engine, user: &User) -> String {
    let file = engine.file(user, "state/ssh/ssh_host_ed25519_key.pub");
    let text = fs::read_to_string(file).unwrap();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Passwords and keys open what they should and nothing else, and are told to nobody.
fn doors(engine: &Engine, anna: &User, ben: &User) {
    let (of_anna, of_ben) = (host_key(engine, anna), host_key(engine, ben));
    assert_ne!(of_anna, of_ben);
    let script = "id -un; id -u; readlink workspace; echo kept > file";
    let (well, said) = engine.ssh(anna, &of_anna, "password", script);
    assert!(well && said.starts_with("anna\n20001\n/workspace\n"), "{said}");
    let (well, said) = engine.ssh(ben, &of_ben, "publickey", "id -un");
    assert!(well && said.ends_with("ben\n"), "{said}");
    let (well, said) = engine.ssh(anna, &of_anna, "publickey", "true");
    assert!(
        !well && said.contains("Permission denied"),
        "ben's key is not anna's: {said}"
    );
    let (well, said) = engine.ssh(anna, &of_ben, "password", "true");
    assert!(
        !well && said.contains("Host key verification failed"),
        "the key is another: {said}"
    );
    let look = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c '100[%] secret' || true";
    let seen = engine.does(&["exec", &anna.lab(), "sh", "-c", look]);
    assert_eq!(seen.trim(), "0");
}

async fn a_service_that_ends_is_seen(engine: &Engine, ben: &User) {
    engine.does(&["exec", "ws-ben", "supervisorctl", "stop", "ssh"]);
    let reports = engine.look(ben).await;
    let report = reports.iter().find(|report| report.service == "ssh").unwrap();
    assert_eq!(report.health, Health::Down);
    assert!(
        report.advice.contains("halolab workspace restart ben ssh"),
        "{report:?}"
    );
}

#[tokio::test]
async fn two_users_have_workspaces_of_one_image_that_outlive_their_containers() {
    let wanted = env::var("HALOLAB_TEST_WORKSPACE").unwrap_or_else(|_| "base".into());
    if wanted == "skip" || env::var("HALOLAB_TEST_DOCKER").is_ok_and(|docker| docker == "skip") {
        return;
    }
    let engine = Engine::up();
    let made = made(&engine, &wanted).await;
    // what needs rights of its own is left out here: it has no port
    let known = made.services().into_iter().filter_map(Service::named);
    let services: Vec<&'static str> = known.map(Service::name).collect();
    let user = |name, id, base| User {
        name,
        id,
        base,
        services: services.clone(),
    };
    let (anna, ben) = (user("anna", 20_001, 10_000), user("ben", 20_002, 10_100));
    let key = key(&engine);
    secret(&engine, &anna, "password", &format!("{PASSWORD}\n"));
    secret(&engine, &ben, "password", PASSWORD);
    secret(&engine, &ben, "authorized_keys", &key);
    engine.does(&["network", "create", "ws-test"]);
    lists::put(&engine, &anna);
    engine.start(&anna, IMAGE);
    engine.start(&ben, IMAGE);
    for user in [&anna, &ben] {
        for report in engine.ready(user).await {
            assert!(report.probed.is_some(), "{report:?}");
        }
    }
    doors(&engine, &anna, &ben);
    let told = lists::installed(&engine, &anna).await;
    assert!(told.contains("lines that are no names of packages"), "{told}");

    // made anew: the same key and home and what was listed, and the other one is not disturbed
    let before = host_key(&engine, &anna);
    engine.does(&["rm", "-f", "-v", "ws-anna"]);
    lists::forget_sources(&engine, &anna);
    engine.start(&anna, IMAGE);
    engine.ready(&anna).await;
    let (well, said) = engine.ssh(&anna, &before, "password", "cat file");
    assert!(well && said == "kept\n", "{said}");
    let told = lists::installed(&engine, &anna).await;
    assert!(
        told.contains("installed again out of /var/lib/state/apt"),
        "{told}"
    );
    engine.ready(&ben).await;

    a_service_that_ends_is_seen(&engine, &ben).await;

    let (_, said) = engine.docker(&[
        "run",
        "--name",
        "ws-root",
        "--network",
        "none",
        "-e",
        "WS_USER=root",
        IMAGE,
    ]);
    assert!(said.contains("is not root"), "{said}");
}
