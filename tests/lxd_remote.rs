//! Over the network: a daemon on another machine by HTTPS, and images from an image server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and may wait for a child"
)]

mod common {
    pub(super) mod daemon;
    pub(super) mod daemons;
    pub(super) mod https;
    pub(super) mod raw;
}

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use common::{
    daemon::{IMAGE, clean, unique},
    daemons::daemons,
    https::{forget, listen, token},
    raw::raw,
};
use halolab::backend::{
    Backend, Error, ExecSpec, InstanceSpec, Power, Progress, RemoteImage, TtyInput,
    lxd::{self, Lxd, Trust},
    simplestreams,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc, time::timeout};

const LONG: Duration = Duration::from_mins(1);

/// HTTPS from first trust to an interactive command, and each way of not being trusted.
#[tokio::test]
async fn a_daemon_behind_https() {
    for (daemon, socket) in daemons().await {
        let url = listen(&socket).await;
        let name = unique("https");
        let home = tempfile::tempdir().unwrap();
        clean(&daemon, &name, async {
            first_trust(&socket, &url, &name, home.path()).await;
            let trust = Trust {
                folder: home.path().to_owned(),
                token: None,
            };
            let remote = lxd::connect_with(Some(&url), &trust).await.unwrap();
            assert_eq!(remote.identity(), daemon.identity(), "one daemon, at two places");
            let (place, project) = remote.identity().split_once('/').unwrap();
            assert_eq!((place.len(), project), (64, "default"));
            works(&remote, &name).await;
            forged(&url, home.path()).await;
        })
        .await;
        forget(&socket, &name).await;
    }
}

/// Without a token nobody is believed; with one, both sides are, and from then on without it.
async fn first_trust(socket: &Path, url: &str, name: &str, home: &Path) {
    let bare = Trust {
        folder: home.to_owned(),
        token: None,
    };
    let error = Lxd::connect_https(url, &bare).await.unwrap_err().to_string();
    let server = raw(socket, "GET", "/1.0", json!({})).await;
    let hash = server["metadata"]["environment"]["certificate_fingerprint"]
        .as_str()
        .unwrap();
    assert!(
        error.contains(&format!("{url}#{hash}")),
        "the hash to compare is told: {error}"
    );
    assert!(
        !home.join("servercerts").exists(),
        "nothing is pinned that nobody vouched for"
    );

    // Its hash is known, but it does not know us yet.
    let other = tempfile::tempdir().unwrap();
    let stranger = Trust {
        folder: other.path().to_owned(),
        token: None,
    };
    let error = Lxd::connect_https(&format!("{url}#{hash}"), &stranger)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
    let wrong = format!("{url}#{}", "0".repeat(64));
    let elsewhere = tempfile::tempdir().unwrap();
    let trust = Trust {
        folder: elsewhere.path().to_owned(),
        token: None,
    };
    let error = Lxd::connect_https(&wrong, &trust).await.unwrap_err().to_string();
    assert!(error.contains("another machine"), "{error}");
    let bad = json!({ "fingerprint": hash, "secret": "no", "client_name": "x", "addresses": [] }).to_string();
    let trust = Trust {
        token: Some(BASE64_STANDARD.encode(bad)),
        ..stranger
    };
    Lxd::connect_https(url, &trust)
        .await
        .expect_err("a token that nobody gave");

    let trust = Trust {
        token: Some(token(socket, name).await),
        ..bare
    };
    let remote = Lxd::connect_https(url, &trust).await.unwrap();
    assert_eq!(remote.server().await.unwrap().address, url);
    let mode = |file: &str| std::fs::metadata(home.join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("client.key"), 0o600);
    assert!(home.join("client.crt").exists());
    assert_eq!(std::fs::read_dir(home.join("servercerts")).unwrap().count(), 1);
}

/// What goes over plain requests, over websockets, and in bulk.
async fn works(remote: &Lxd, name: &str) {
    let spec = InstanceSpec {
        name: name.into(),
        image: IMAGE.into(),
        ..InstanceSpec::default()
    };
    let mut changes = remote.watch().await.unwrap();
    let (sink, mut told) = mpsc::unbounded_channel();
    let progress = Progress {
        sink: Some(sink),
        ..Progress::default()
    };
    remote.create(&spec, &progress).await.unwrap();
    remote.power(name, Power::Start).await.unwrap();
    timeout(LONG, changes.recv())
        .await
        .expect("events come over HTTPS")
        .unwrap();
    told.close();
    let big = vec![b'x'; 2_000_000];
    remote.push(name, "/root/big", &big, 0o600, (0, 0)).await.unwrap();
    assert!(remote.pull(name, "/root/big").await.unwrap() == big);
    let mut count = 0;
    let cat = ExecSpec {
        argv: ["cat", "/root/big"].map(str::to_owned).to_vec(),
        ..ExecSpec::default()
    };
    let code = remote
        .exec(
            name,
            &cat,
            &mut |_, bytes| count += bytes.len(),
            &Progress::default(),
        )
        .await;
    assert_eq!((code.unwrap(), count), (0, big.len()));
    let (keys, input) = mpsc::channel(4);
    let (output, mut screen) = mpsc::channel::<Vec<u8>>(64);
    let shell = ExecSpec {
        argv: vec!["sh".into()],
        size: (80, 24),
        ..ExecSpec::default()
    };
    keys.send(TtyInput::Bytes(b"exit 3\n".to_vec())).await.unwrap();
    let ended = timeout(LONG, remote.exec_tty(name, &shell, input, output)).await;
    assert_eq!(ended.expect("ends").unwrap(), 3);
    assert!(screen.recv().await.is_some());
}

/// SHA-256 of the certificate in a file.
fn fingerprint(file: &Path) -> String {
    let pem = std::fs::read_to_string(file).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    hex::encode(Sha256::digest(BASE64_STANDARD.decode(body).unwrap()))
}

/// A server that shows another certificate than the pinned one is not spoken to, until somebody gives the hash of the new
/// one; a key that others can read is closed.
async fn forged(url: &str, home: &Path) {
    let pinned = std::fs::read_dir(home.join("servercerts"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let now = fingerprint(&pinned);
    std::fs::copy(home.join("client.crt"), &pinned).unwrap();
    let before = fingerprint(&pinned);
    let trust = Trust {
        folder: home.to_owned(),
        token: None,
    };
    let error = Lxd::connect_https(url, &trust).await.unwrap_err().to_string();
    for part in [&before, &now, &format!("halolab --lxd {url}#{now} status")] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    let wrong = format!("{url}#{}", "0".repeat(64));
    Lxd::connect_https(&wrong, &trust)
        .await
        .expect_err("another hash");
    assert_eq!(fingerprint(&pinned), before, "nothing is pinned by a refusal");
    let key = home.join("client.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    Lxd::connect_https(&format!("{url}#{now}"), &trust).await.unwrap();
    Lxd::connect_https(url, &trust).await.expect("it is pinned anew");
    assert_eq!(
        std::fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

/// An image server with one image, slow enough that one can see it being fetched.
struct ImageServer {
    process: Child,
    url: String,
    certificate: String,
}

impl ImageServer {
    fn start(folder: &Path, name: &str) -> Self {
        let root = folder.join("root");
        std::fs::create_dir_all(root.join("rootfs")).unwrap();
        let metadata =
            format!("architecture: x86_64\ncreation_date: 1700000000\nproperties: {{description: {name}}}\n");
        std::fs::write(root.join("metadata.yaml"), metadata).unwrap();
        // Bytes that do not compress: the throttle counts what is sent.
        let mut seed = 1_u64;
        let noise = std::iter::repeat_with(|| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            seed.to_be_bytes()[0]
        });
        let mut blob = std::fs::File::create(root.join("rootfs/blob")).unwrap();
        blob.write_all(&noise.take(3_000_000).collect::<Vec<u8>>())
            .unwrap();
        let image = folder.join("image.tar.gz");
        let packed = Command::new("tar")
            .arg("-C")
            .arg(&root)
            .arg("-czf")
            .arg(&image)
            .args(["metadata.yaml", "rootfs"])
            .status();
        assert!(packed.unwrap().success());
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standins/simplestreams.py");
        let mut process = Command::new("python3")
            .arg(program)
            .arg(folder.join("state"))
            .arg(format!("demo/1={}", image.display()))
            .args(["--throttle", "1000"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            url: line.trim().strip_prefix("serving ").unwrap().to_owned(),
            certificate: std::fs::read_to_string(folder.join("state/ca.crt")).unwrap(),
            process,
        }
    }

    fn image(&self) -> RemoteImage {
        RemoteImage {
            server: self.url.clone(),
            alias: "demo/1".into(),
            certificate: Some(self.certificate.clone()),
            ..RemoteImage::default()
        }
    }
}

impl Drop for ImageServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An image is fetched by the daemon under our alias, with progress; a cancelled fetch leaves nothing;
/// a server that is not believed is told as such.
#[tokio::test]
async fn images_come_from_an_image_server() {
    for (daemon, _) in daemons().await {
        let folder = tempfile::tempdir().unwrap();
        let name = unique("pull");
        let server = ImageServer::start(folder.path(), &name);
        clean(&daemon, &name, async {
            let unknown = RemoteImage {
                certificate: None,
                ..server.image()
            };
            let error = daemon
                .pull_image(&unknown, &name, &Progress::default())
                .await
                .unwrap_err();
            assert!(error.to_string().contains("certificate"), "{error}");
            let missing = RemoteImage {
                alias: "nope/1".into(),
                ..server.image()
            };
            daemon
                .pull_image(&missing, &name, &Progress::default())
                .await
                .expect_err("there is no such image");

            let progress = Progress::default();
            let cancel = progress.cancel.clone();
            let source = server.image();
            let (ended, ()) = tokio::join!(
                timeout(LONG, daemon.pull_image(&source, &name, &progress)),
                async {
                    tokio::time::sleep(Duration::from_millis(800)).await;
                    cancel.cancel();
                }
            );
            let error = ended.expect("ends").unwrap_err();
            assert!(matches!(error, Error::Cancelled { .. }), "{error:?}");
            assert_eq!(daemon.image(&name).await.unwrap(), None);

            fetched(&daemon, &server, &name).await;
        })
        .await;
    }
}

/// A fetch that is watched, and one of what is there already.
async fn fetched(daemon: &Lxd, server: &ImageServer, name: &str) {
    let (sink, mut heard) = mpsc::unbounded_channel();
    let progress = Progress {
        sink: Some(sink),
        ..Progress::default()
    };
    daemon.pull_image(&server.image(), name, &progress).await.unwrap();
    drop(progress);
    let mut percents = vec![];
    while let Some((text, percent)) = heard.recv().await {
        assert!(!text.is_empty());
        percents.extend(percent);
    }
    assert!(percents.len() > 3 && percents.is_sorted(), "{percents:?}");
    let image = daemon.image(name).await.unwrap().unwrap();
    assert_eq!(
        image.properties.get("os").map(String::as_str),
        Some("Demo"),
        "{image:?}"
    );
    // It is there already: nothing is fetched, only named.
    daemon
        .pull_image(&server.image(), name, &Progress::default())
        .await
        .unwrap();
    let announced = simplestreams::announced(&server.image()).await.unwrap();
    assert_eq!(
        announced,
        [image.fingerprint.as_str()],
        "what was announced is what is stored"
    );
    let unknown = RemoteImage {
        alias: "nope/1".into(),
        ..server.image()
    };
    let error = simplestreams::announced(&unknown).await.unwrap_err().to_string();
    assert!(error.contains("announces no image nope/1"), "{error}");
    others_are_refused(daemon, server, (name, &image.fingerprint)).await;
}

/// Another one than was announced or pinned is not kept, whether it came now or was there.
async fn others_are_refused(daemon: &Lxd, server: &ImageServer, (name, fingerprint): (&str, &str)) {
    let wrong = RemoteImage {
        fingerprints: vec!["0".repeat(64)],
        ..server.image()
    };
    let error = daemon
        .pull_image(&wrong, "mine", &Progress::default())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Fingerprint { found, .. } if *found == fingerprint),
        "{error:?}"
    );
    assert!(
        daemon.image(name).await.unwrap().is_some(),
        "what has a name stays"
    );
    daemon.delete_image(name).await.unwrap();
    let error = daemon
        .pull_image(&wrong, name, &Progress::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Fingerprint { .. }), "{error:?}");
    for what in [name, "mine", fingerprint] {
        assert_eq!(daemon.image(what).await.unwrap(), None, "{what}");
    }
    let right = RemoteImage {
        fingerprints: vec![fingerprint.to_owned()],
        ..server.image()
    };
    daemon
        .pull_image(&right, name, &Progress::default())
        .await
        .unwrap();
}
