//! Images of a registry, which stands beside the engine on the private network of that.
#![expect(
    clippy::disallowed_methods,
    reason = "a test starts its own registry and packs its own files"
)]

use std::{fs, path::Path, process::Stdio};

use flate2::{Compression, write::GzEncoder};
use halolab::backend::RemoteImage;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::{safety::engine, *};

/// Serves a folder as a registry does, and writes its port.
const REGISTRY: &str = r#"
import hashlib, http.server, os, sys
class Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = sys.argv[1] + self.path
        if self.path != "/v2/" and not os.path.isfile(path):
            self.send_error(404)
            return
        body = b"{}" if self.path == "/v2/" else open(path, "rb").read()
        self.send_response(200)
        manifest = "/manifests/" in self.path
        self.send_header("Content-Type", "application/vnd.docker.distribution.manifest.v2+json" if manifest else "application/octet-stream")
        self.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(body).hexdigest())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
    do_HEAD = do_GET
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

async fn registry(folder: &Path) -> (Child, String) {
    let socket = std::env::var("HALOLAB_TEST_DOCKER").unwrap();
    let pid = fs::read_to_string(Path::new(&socket).with_file_name("docker.pid")).unwrap();
    let mut served = Command::new("nsenter")
        .args(["-t", pid.trim(), "-n", "python3", "-c", REGISTRY])
        .arg(folder)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(served.stdout.take().unwrap())
        .read_line(&mut port)
        .await
        .unwrap();
    (served, format!("127.0.0.1:{}", port.trim()))
}

fn sum(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Puts an image into a registry under `app:latest`; the digests of the registry, and of the image itself.
fn publish(folder: &Path, word: &str) -> (String, String) {
    let app = folder.join("v2/app");
    fs::create_dir_all(app.join("blobs")).unwrap();
    fs::create_dir_all(app.join("manifests")).unwrap();
    let blob = |bytes: &[u8]| {
        let digest = format!("sha256:{}", sum(bytes));
        fs::write(app.join("blobs").join(&digest), bytes).unwrap();
        digest
    };
    let mut layer = tar::Builder::new(vec![]);
    let mut header = tar::Header::new_gnu();
    header.set_size(word.len() as u64);
    header.set_mode(0o644);
    layer.append_data(&mut header, "word", word.as_bytes()).unwrap();
    let layer = layer.into_inner().unwrap();
    let inside = format!("sha256:{}", sum(&layer));
    let mut packed = GzEncoder::new(vec![], Compression::default());
    std::io::Write::write_all(&mut packed, &layer).unwrap();
    let packed = packed.finish().unwrap();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [inside]}}).to_string();
    let of = |bytes: &[u8], kind: &str| json!({"mediaType": format!("application/vnd.docker.{kind}"), "size": bytes.len(), "digest": blob(bytes)});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": of(config.as_bytes(), "container.image.v1+json"),
        "layers": [of(&packed, "image.rootfs.diff.tar.gzip")],
    })
    .to_string();
    let digest = sum(manifest.as_bytes());
    for name in ["latest", &format!("sha256:{digest}")] {
        fs::write(app.join("manifests").join(name), &manifest).unwrap();
    }
    (digest, sum(config.as_bytes()))
}

#[tokio::test]
async fn a_unified_image_that_only_the_engine_can_unpack_is_refused_and_another_one_taken() {
    let Some(docker) = docker().await else { return };
    let name = unique("packed");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("rootfs/etc")).unwrap();
    fs::write(folder.path().join("rootfs/etc/word"), &name).unwrap();
    fs::write(folder.path().join("metadata.yaml"), "architecture: x86_64\n").unwrap();
    let pack = async |file: &str, root: &str, parts: &[&str]| {
        let path = folder.path().join(file);
        let mut tar = Command::new("tar");
        tar.arg("-cJf")
            .arg(&path)
            .arg("-C")
            .arg(folder.path().join(root))
            .args(parts);
        assert!(tar.status().await.unwrap().success());
        path
    };
    let unified = pack("unified.tar.xz", "", &["metadata.yaml", "rootfs"]).await;
    let plain = pack("plain.tar.xz", "rootfs", &["etc"]).await;
    clean(&docker, &name, async {
        docker.import_image(&plain, &name, &silent()).await.unwrap();
        let there = docker.image(&name).await.unwrap();
        let error = docker
            .import_image(&unified, &name, &silent())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("xz -dc"), "{error}");
        assert_eq!(docker.image(&name).await.unwrap(), there);
        assert_eq!(containers(&name).await, [""; 0]);
        let lab = InstanceSpec {
            image: name.clone(),
            ..spec(&format!("{name}-lab"), &[])
        };
        docker.create(&lab, &silent()).await.unwrap();
        assert_eq!(
            docker.pull(&lab.name, "/etc/word").await.unwrap(),
            name.as_bytes()
        );
        docker.delete(&lab.name).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_image_is_fetched_by_its_digest_and_no_name_leads_to_another_one() {
    let Some(docker) = docker().await else { return };
    let name = unique("fetched");
    let folder = tempfile::tempdir().unwrap();
    let (_served, host) = registry(folder.path()).await;
    let fetch = async |expected: &str| {
        let source = RemoteImage {
            server: host.clone(),
            alias: "app".into(),
            fingerprints: vec![expected.to_owned()],
            ..RemoteImage::default()
        };
        docker.pull_image(&source, &name, &silent()).await
    };
    let is = async |name: &str| docker.image(name).await.unwrap().map(|image| image.fingerprint);
    clean(&docker, &name, async {
        let reference = format!("{host}/app");
        let (digest, first) = publish(folder.path(), &name);
        fetch(&first).await.unwrap();
        assert_eq!(
            (is(&name).await, is(&reference).await),
            (Some(first.clone()), Some(first.clone()))
        );
        let (_, second) = publish(folder.path(), &format!("{name}-2"));
        // It moved on; what is expected is still there.
        fetch(&digest).await.unwrap();
        assert_eq!(is(&name).await, Some(first.clone()));
        let error = fetch(&first).await.unwrap_err();
        assert!(
            matches!(&error, Error::Fingerprint { found, .. } if *found == second),
            "{error}"
        );
        assert_eq!(
            (is(&name).await, is(&reference).await),
            (Some(first.clone()), Some(first.clone()))
        );
        assert_eq!(is(&second).await, None);
        let remove = engine().await;
        for image in [reference, format!("{host}/app@sha256:{digest}")] {
            let _ = remove
                .remove_image(
                    &image,
                    None::<bollard::query_parameters::RemoveImageOptions>,
                    None,
                )
                .await;
        }
    })
    .await;
}
