//! What must not be lost and must not be believed, whatever people do to containers and images by hand.

use bollard::{
    models::{ContainerConfig, ContainerCreateBody},
    query_parameters::{CommitContainerOptions, CreateContainerOptions, RemoveVolumeOptions},
};

use super::*;

/// The engine itself, as `docker` speaks to it.
pub(super) async fn engine() -> bollard::Docker {
    let socket = std::env::var("HALOLAB_TEST_DOCKER").unwrap();
    let api = bollard::Docker::connect_with_unix(&socket, 60, bollard::API_DEFAULT_VERSION).unwrap();
    api.negotiate_version().await.unwrap()
}

/// `docker commit CONTAINER IMAGE`, with labels.
async fn commit(container: &str, image: &str, labels: &[(&str, &str)]) {
    let options = CommitContainerOptions {
        container: Some(container.into()),
        repo: Some(image.into()),
        ..Default::default()
    };
    let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let config = ContainerConfig {
        labels: Some(labels.collect()),
        ..Default::default()
    };
    engine().await.commit_container(options, config).await.unwrap();
}

/// `docker create --name NAME IMAGE sleep 600`.
async fn create(name: &str, image: &str) {
    let options = CreateContainerOptions {
        name: Some(name.into()),
        ..Default::default()
    };
    let body = ContainerCreateBody {
        image: Some(image.into()),
        entrypoint: Some(vec!["sleep".into(), "600".into()]),
        ..Default::default()
    };
    engine()
        .await
        .create_container(Some(options), body)
        .await
        .unwrap();
}

async fn snapshots(docker: &Docker, name: &str) -> Vec<String> {
    let found = docker.snapshots(name).await.unwrap();
    found.into_iter().map(|snapshot| snapshot.name).collect()
}

#[tokio::test]
async fn a_container_of_a_committed_lab_has_neither_its_identity_nor_its_snapshots() {
    let Some(docker) = docker().await else { return };
    let name = unique("committed");
    let (other, image) = (format!("{name}-other"), format!("{name}-image"));
    clean(&docker, &name, async {
        made(&docker, &name, &[("user.halolab.stage", "test")]).await;
        docker.snapshot(&name, "s").await.unwrap();
        commit(&name, &image, &[]).await;
        create(&other, &image).await;
        let lab = docker.instance(&name).await.unwrap().unwrap();
        let found = docker.instance(&other).await.unwrap().unwrap();
        assert_ne!(found.uuid, lab.uuid);
        assert_eq!(found.tag("stage"), None);
        docker.delete(&other).await.unwrap();
        assert_eq!(snapshots(&docker, &name).await, ["s"]);
        let wanted = InstanceSpec {
            image: image.clone(),
            ..spec(&other, &[])
        };
        let error = docker.create(&wanted, &silent()).await.unwrap_err().to_string();
        assert!(error.contains("docker commit"), "{error}");
        docker.delete_image(&image).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_image_that_asks_for_privileges_in_our_name_gets_none() {
    let Some(docker) = docker().await else { return };
    let name = unique("forged");
    let image = format!("{name}-image");
    Box::pin(clean(&docker, &name, async {
        create(&name, IMAGE).await;
        let kept = r#"{"config":{"security.privileged":"true"},"profiles":["default"],"devices":{"root":{"type":"disk","source":"/","path":"/host"}}}"#;
        let forged = [
            ("io.halolab.kind", "instance"),
            ("io.halolab.uuid", "0123456789abcdef0123456789abcdef"),
            ("io.halolab.kept", kept),
        ];
        commit(&name, &image, &forged).await;
        docker.delete(&name).await.unwrap();
        create(&name, &image).await;
        docker.power(&name, Power::Start).await.unwrap();
        let told = engine().await.inspect_container(&name, None).await.unwrap();
        let host = told.host_config.unwrap();
        assert_eq!((host.privileged, host.mounts), (Some(false), None));
        docker.power(&name, Power::Stop { seconds: 0 }).await.unwrap();
        docker.delete(&name).await.unwrap();
        docker.delete_image(&image).await.unwrap();
    }))
    .await;
}

#[tokio::test]
async fn a_lab_that_stands_on_a_snapshot_outlives_it() {
    let Some(docker) = docker().await else { return };
    let name = unique("stands");
    let copy = format!("{name}-copy");
    clean(&docker, &name, async {
        made(&docker, &name, &[]).await;
        write(&docker, &name, "one").await;
        docker.snapshot(&name, "s").await.unwrap();
        docker.restore(&name, "s", "").await.unwrap();
        let wanted = InstanceSpec {
            name: copy.clone(),
            ..InstanceSpec::default()
        };
        docker.copy(&name, Some("s"), &wanted, &silent()).await.unwrap();
        docker.delete_snapshot(&name, "s").await.unwrap();
        assert_eq!(snapshots(&docker, &name).await, [""; 0]);
        for lab in [&name, &copy] {
            docker.snapshot(lab, "t").await.unwrap();
            docker.power(lab, Power::Start).await.unwrap();
            assert_eq!(read(&docker, lab).await, "one");
            docker.power(lab, Power::Stop { seconds: 0 }).await.unwrap();
        }
        docker.delete(&copy).await.unwrap();
        docker.restore(&name, "t", "").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_that_a_lab_alone_stands_on_goes_by_name_only() {
    let Some(docker) = docker().await else { return };
    let name = unique("only");
    let foreign = format!("{name}-foreign");
    clean(&docker, &name, async {
        made(&docker, &name, &[]).await;
        docker.snapshot(&name, "s").await.unwrap();
        docker.restore(&name, "s", "").await.unwrap();
        let uuid = docker.instance(&name).await.unwrap().unwrap().uuid;
        // As an older halolab left it: no name but the snapshot's.
        docker
            .delete_image(&format!("halolab/root-{uuid}:now"))
            .await
            .unwrap();
        docker.delete_snapshot(&name, "s").await.unwrap();
        docker.snapshot(&name, "t").await.unwrap();
        create(&foreign, &format!("halolab/snapshot-{uuid}:t")).await;
        let error = docker.delete_snapshot(&name, "t").await.unwrap_err().to_string();
        assert!(error.contains(&foreign), "{error}");
        docker.delete(&foreign).await.unwrap();
        docker.delete_snapshot(&name, "t").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_removal_that_cannot_end_stops_no_other_lab_and_loses_no_snapshot() {
    let Some(docker) = docker().await else { return };
    let name = unique("stuck");
    let (other, gone) = (format!("{name}-other"), format!("{name}.gone"));
    clean(&docker, &name, async {
        made(&docker, &name, &[]).await;
        docker.snapshot(&name, "s").await.unwrap();
        rename(&name, &gone).await;
        engine().await.start_container(&gone, None).await.unwrap();
        made(&docker, &other, &[]).await;
        docker.power(&other, Power::Start).await.unwrap();
        rename(&gone, &name).await;
        assert_eq!(snapshots(&docker, &name).await, ["s"]);
    })
    .await;
}

async fn rename(from: &str, to: &str) {
    let options = bollard::query_parameters::RenameContainerOptions { name: to.into() };
    engine().await.rename_container(from, options).await.unwrap();
}

#[tokio::test]
async fn what_others_call_as_we_call_our_own_is_left_alone() {
    let Some(docker) = docker().await else { return };
    let name = unique("foreign");
    let (new, old) = (format!("{name}.new"), format!("{name}.old"));
    clean(&docker, &name, async {
        create(&old, IMAGE).await;
        made(&docker, &name, &[]).await;
        assert_eq!(containers(&name).await, [name.as_str(), &old]);
        let found = docker.instances().await.unwrap();
        assert!(found.iter().any(|one| one.name == old), "it is itself");
        rename(&name, &new).await;
        assert_eq!(docker.instance(&name).await.unwrap(), None);
        // One that was started is no copy that was never finished.
        engine().await.start_container(&new, None).await.unwrap();
        let error = docker.create(&spec(&name, &[]), &silent()).await.unwrap_err();
        assert!(error.to_string().contains(&new), "{error}");
        assert_eq!(containers(&name).await, [new.as_str(), &old]);
        rename(&new, &name).await;
        let error = docker
            .snapshot(&name, "s")
            .await
            .and(docker.restore(&name, "s", "").await);
        assert!(error.unwrap_err().to_string().contains(&old));
        assert_eq!(containers(&name).await, [name.as_str(), &old]);
        docker.delete(&old).await.unwrap();
        docker.restore(&name, "s", "").await.unwrap();
    })
    .await;
}

/// A lab of an image with a volume, which has a file in it; another one came by a device and went with it.
async fn with_volumes(docker: &Docker, name: &str) {
    docker.create_volume(name).await.unwrap();
    let disk = map(&[
        ("type", "disk"),
        ("source", name),
        ("pool", "default"),
        ("path", "/store"),
    ]);
    let mut profile = Profile {
        name: name.to_owned(),
        devices: [("store".to_owned(), disk)].into(),
        ..Profile::default()
    };
    docker.put_profile(&profile).await.unwrap();
    let wanted = InstanceSpec {
        image: name.to_owned(),
        profiles: vec!["default".into(), name.to_owned()],
        ..spec(name, &[])
    };
    docker.create(&wanted, &silent()).await.unwrap();
    docker.power(name, Power::Start).await.unwrap();
    run(docker, name, "echo mine >/data/f; echo theirs >/store/f").await;
    docker.power(name, Power::Stop { seconds: 0 }).await.unwrap();
    // A device that is gone takes its volume out of the lab; what no device named stays in.
    profile.devices.clear();
    docker.put_profile(&profile).await.unwrap();
    docker.power(name, Power::Start).await.unwrap();
    assert_eq!(run(docker, name, "cat /data/f; ls /store").await, "mine\n");
    docker.power(name, Power::Stop { seconds: 0 }).await.unwrap();
    docker.delete_volume(name).await.unwrap();
}

#[tokio::test]
async fn what_an_image_has_in_volumes_outlives_the_lab_and_is_named() {
    let Some(docker) = docker().await else { return };
    let name = unique("unnamed");
    let copy = format!("{name}-prev");
    let context = Context::new("FROM lab/bb\nVOLUME /data\n");
    clean(&docker, &name, async {
        docker
            .build(&context.build(&name), &mut |_| {}, &silent())
            .await
            .unwrap();
        with_volumes(&docker, &name).await;
        let wanted = InstanceSpec {
            name: copy.clone(),
            ..InstanceSpec::default()
        };
        let (sink, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let progress = Progress {
            sink: Some(sink),
            ..Progress::default()
        };
        docker.copy(&name, None, &wanted, &progress).await.unwrap();
        let [volume] = &docker.unnamed_volumes(&name).await.unwrap()[..] else {
            panic!("one volume")
        };
        assert_eq!(volume.path, "/data");
        drop(progress);
        let mut said = vec![];
        while let Some((text, _)) = heard.recv().await {
            said.push(text);
        }
        assert!(said.iter().any(|text| text.contains(&volume.name)), "{said:?}");
        docker.delete(&name).await.unwrap();
        let told = engine().await.inspect_volume(&volume.name).await.unwrap();
        let file = std::path::Path::new(&told.mountpoint).join("f");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "mine\n");
        docker.power(&copy, Power::Start).await.unwrap();
        assert_eq!(run(&docker, &copy, "ls /data").await, "");
        docker.power(&copy, Power::Stop { seconds: 0 }).await.unwrap();
        let own = docker.unnamed_volumes(&copy).await.unwrap();
        docker.delete(&copy).await.unwrap();
        for volume in own.iter().chain([volume]) {
            let gone = engine().await;
            let gone = gone.remove_volume(&volume.name, None::<RemoveVolumeOptions>);
            gone.await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_removed_from_the_config_is_again_as_the_image_says() {
    let Some(docker) = docker().await else { return };
    let name = unique("config");
    let context = Context::new(
        "FROM lab/bb\nENV A=image B=2\nWORKDIR /tmp\nCMD [\"sh\", \"-c\", \"echo the image; sleep 600\"]\n",
    );
    clean(&docker, &name, async {
        docker
            .build(&context.build(&name), &mut |_| {}, &silent())
            .await
            .unwrap();
        let keys = [
            ("environment.A", "mine"),
            ("environment.C", "3"),
            ("docker.user", "1000"),
            ("docker.workdir", "/root"),
        ];
        let wanted = InstanceSpec {
            image: name.clone(),
            ..spec(&name, &keys)
        };
        docker.create(&wanted, &silent()).await.unwrap();
        let script = "echo $A $B ${C-none}; pwd; sed -n 's/^Uid:.//p' /proc/1/status | cut -f1";
        docker.power(&name, Power::Start).await.unwrap();
        assert_eq!(run(&docker, &name, script).await, "mine 2 3\n/root\n1000\n");
        docker.snapshot(&name, "s").await.unwrap();
        docker.power(&name, Power::Stop { seconds: 0 }).await.unwrap();
        let edit = |pairs: &[(&str, Option<&str>)]| ConfigEdit {
            config: pairs
                .iter()
                .map(|(k, v)| ((*k).into(), v.map(str::to_owned)))
                .collect(),
            ..ConfigEdit::default()
        };
        docker
            .edit(&name, &edit(&keys.map(|(key, _)| (key, None))))
            .await
            .unwrap();
        docker.power(&name, Power::Start).await.unwrap();
        assert_eq!(run(&docker, &name, script).await, "image 2 none\n/tmp\n0\n");
        docker.power(&name, Power::Stop { seconds: 0 }).await.unwrap();
        docker
            .edit(&name, &edit(&[("docker.command", Some("image"))]))
            .await
            .unwrap();
        docker.power(&name, Power::Start).await.unwrap();
        let mut said = vec![];
        let mut take = |_: u8, bytes: &[u8]| said.extend_from_slice(bytes);
        docker
            .logs(&name, (None, false), &mut take, &silent())
            .await
            .unwrap();
        assert_eq!(String::from_utf8(said).unwrap(), "the image\n");
        docker.power(&name, Power::Stop { seconds: 0 }).await.unwrap();
        docker.restore(&name, "s", "").await.unwrap();
        docker.power(&name, Power::Start).await.unwrap();
        assert_eq!(run(&docker, &name, script).await, "mine 2 3\n/root\n1000\n");
    })
    .await;
}

#[tokio::test]
async fn a_stop_lets_what_runs_end_and_waits_for_nobody_else() {
    let Some(docker) = docker().await else { return };
    let name = unique("grace");
    clean(&docker, &name, async {
        made(&docker, &name, &[]).await;
        docker.power(&name, Power::Start).await.unwrap();
        let script =
            "trap 'sleep 1; echo saved >/root/f; exit' TERM; echo >/root/ready; while :; do sleep 1; done";
        run(
            &docker,
            &name,
            &format!("({script}) >/dev/null 2>&1 & until [ -e /root/ready ]; do :; done"),
        )
        .await;
        let (_keys, typed) = tokio::sync::mpsc::channel(1);
        let (shown, mut screen) = tokio::sync::mpsc::channel(64);
        let shell = ExecSpec {
            argv: vec!["sh".into()],
            size: (80, 24),
            ..ExecSpec::default()
        };
        let (other, lab) = (docker.clone(), name.clone());
        let open = tokio::spawn(async move { other.exec_tty(&lab, &shell, typed, shown).await });
        timeout(LONG, screen.recv())
            .await
            .expect("a prompt")
            .expect("is there");
        let begun = std::time::Instant::now();
        docker.power(&name, Power::Stop { seconds: 30 }).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        drop(screen);
        let _ = timeout(LONG, open).await.expect("the shell is over");
        assert_eq!(read(&docker, &name).await, "saved\n");
        docker.power(&name, Power::Start).await.unwrap();
        let begun = std::time::Instant::now();
        docker.power(&name, Power::Stop { seconds: 30 }).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    })
    .await;
}

#[tokio::test]
async fn a_copy_that_is_stopped_leaves_nothing() {
    let Some(docker) = docker().await else { return };
    let name = unique("stopped");
    let copy = format!("{name}-copy");
    clean(&docker, &name, async {
        made(&docker, &name, &[]).await;
        docker.snapshot(&name, "s").await.unwrap();
        let wanted = InstanceSpec {
            name: copy.clone(),
            ..InstanceSpec::default()
        };
        let (sink, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let progress = Progress {
            sink: Some(sink),
            ..Progress::default()
        };
        let cancel = progress.cancel.clone();
        let stop = async {
            heard.recv().await.expect("it begins");
            cancel.cancel();
        };
        let (done, ()) = tokio::join!(docker.copy(&name, None, &wanted, &progress), stop);
        assert!(matches!(done, Err(Error::Cancelled { .. })), "{done:?}");
        assert_eq!(containers(&name).await, [name.as_str()]);
        docker.copy(&name, None, &wanted, &silent()).await.unwrap();
        assert_eq!(snapshots(&docker, &copy).await, ["s"]);
    })
    .await;
}
