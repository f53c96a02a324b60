//! An instance of a daemon on another machine, taken over in words: the program by HTTPS with a client certificate.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and starts the program itself"
)]

mod common;

use common::{
    daemon::{IMAGE, clean},
    daemons::daemons,
    https::{forget, listen, token},
    program::{Home, Said},
};
use halolab::backend::{Backend, InstanceSpec, Power, Progress, lxd::Lxd};

/// The program against a URL.
struct Remote<'h> {
    home: &'h Home,
    url: String,
}

impl Remote<'_> {
    fn ends(&self, code: i32, arguments: &[&str]) -> Said {
        let remote = ["--lxd", self.url.as_str()];
        self.home.ends(code, &[&remote, arguments].concat())
    }

    fn status(&self, lab: &str) -> serde_json::Value {
        let said = self.ends(0, &["status", lab, "--json"]);
        serde_json::from_str::<serde_json::Value>(&said.out).unwrap()["labs"][0].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_instance_of_a_remote_daemon_is_adopted_as_a_local_one_is() {
    for (daemon, socket) in daemons().await {
        let Some(home) = Home::new(1) else { return };
        let lab = home.lab().to_owned();
        let url = listen(&socket).await;
        let secret = token(&socket, &lab).await;
        clean(&daemon, &lab, async {
            make(&daemon, &lab).await;
            let remote = Remote { home: &home, url };
            tokio::task::block_in_place(|| adopted(&remote, &lab, &secret));
            let profile = daemon.profile(&format!("halolab-{lab}")).await.unwrap();
            let devices = profile.expect("the lab's profile").devices;
            assert!(
                devices.is_empty(),
                "folders of this machine are not there: {devices:?}"
            );
            tokio::task::block_in_place(|| removed(&remote, &lab));
        })
        .await;
        forget(&socket, &lab).await;
    }
}

async fn make(daemon: &Lxd, lab: &str) {
    let spec = InstanceSpec {
        name: lab.into(),
        image: IMAGE.into(),
        ..InstanceSpec::default()
    };
    daemon.create(&spec, &Progress::default()).await.unwrap();
    daemon.power(lab, Power::Start).await.unwrap();
    // What the proof of its stage looks for, and what is a person's own.
    for (file, text) in [("/greeting", "hello"), ("/root/mine", "precious")] {
        daemon
            .push(lab, file, text.as_bytes(), 0o600, (0, 0))
            .await
            .unwrap();
    }
}

fn adopted(remote: &Remote<'_>, lab: &str, token: &str) {
    // The token makes the certificate trusted once; from then on nothing is needed.
    remote.ends(0, &["--lxd-token", token, "status"]);
    assert_eq!(remote.status(lab)["presence"], "foreign");
    for arguments in [
        &["apply", lab, "--yes"][..],
        &["recreate", lab, "--yes"],
        &["remove", lab, "--yes"],
        &["stop", lab],
        &["snapshot", "create", lab],
    ] {
        let said = remote.ends(3, arguments);
        assert!(said.err.contains("--choose adopt"), "{arguments:?}: {}", said.err);
    }
    let plan = remote.ends(0, &["plan", lab, "--choose", "adopt"]).out;
    assert!(
        !plan.contains("data folders"),
        "there are none on another machine: {plan}"
    );
    remote.ends(0, &["apply", lab, "--choose", "adopt", "--yes"]);
    let status = remote.status(lab);
    assert_eq!(
        (&status["presence"], &status["status"]),
        (&"ours".into(), &"running".into())
    );
    assert_eq!(status["snapshots"][0]["name"], "before-adopt-1");
    let mine = |text: &str| remote.ends(0, &["shell", lab, "--", "sh", "-c", text]).out;
    assert_eq!(mine("cat /root/mine"), "precious");
    remote.ends(0, &["snapshot", "create", lab, "mine", "-m", "as it was"]);
    mine("echo spoilt >/root/mine");
    remote.ends(0, &["apply", lab, "--choose", "restore:mine", "--yes"]);
    assert_eq!(mine("cat /root/mine"), "precious");
    assert!(!remote.home.folder.path().join("data").exists());
}

fn removed(remote: &Remote<'_>, lab: &str) {
    remote.ends(0, &["remove", lab, "--yes"]);
    assert_eq!(remote.status(lab)["presence"], "missing");
}
