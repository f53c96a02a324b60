//! Workspaces by the program itself: users, ports, secrets, compose, homes; and on the private Docker of `tests/run.sh` two
//! of them side by side, of which one is made anew while the other one's session goes on.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "a test fails by panicking, starts the program itself, and tells a story in which each step needs the one before"
)]

mod common;
#[path = "common/docker.rs"]
mod docker;
#[path = "common/tree.rs"]
mod tree;
#[path = "common/workspace.rs"]
mod workspace;

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use docker::docker;
use halolab::backend::Backend as _;
use serde_json::Value;
use workspace::{Home, Made, compose, compose_program, image, told};

#[test]
fn users_come_change_and_go_and_their_data_and_ports_stay() {
    let home = Home::new();
    let anna = home.json(&["workspace", "add", "anna", "--memory", "8GiB", "--cpus", "2"]);
    assert_eq!(
        (&anna["slot"], &anna["uid"], &anna["ports"]["ssh"]["port"]),
        (&0.into(), &20001.into(), &10022.into())
    );
    home.ends(0, &["workspace", "add", "bob", "--services", "ssh,jupyter"]);
    let again = home.ends(3, &["workspace", "add", "bob"]);
    assert!(again.err.contains("workspace edit bob"), "{}", again.err);
    for folder in [
        "homes/anna",
        "workspaces/bob",
        "shared/tensorboard/anna",
        "docker-volumes/bob-state",
    ] {
        assert!(home.path("store").join(folder).is_dir(), "{folder}");
    }
    assert_eq!(
        fs::metadata(home.path("store/homes/anna")).unwrap().mode() & 0o777,
        0o700
    );
    // What a person writes beside it stays.
    let file = home
        .read("config/workspaces.toml")
        .replace("memory = \"8GiB\"", "memory = \"8GiB\" # of 16");
    home.put("config/workspaces.toml", &file);
    home.ends(
        0,
        &[
            "workspace",
            "edit",
            "anna",
            "--cpus",
            "",
            "--gpus",
            "all",
            "--swap",
            "1GiB",
        ],
    );
    let file = home.read("config/workspaces.toml");
    assert!(
        file.contains("memory = \"8GiB\" # of 16") && file.contains("gpus = [\"all\"]"),
        "{file}"
    );
    assert!(!file.contains("cpus"), "{file}");
    let list = home.json(&["workspace", "list"]);
    let wrong = list["sums"]["wrong"].to_string();
    assert!(
        wrong.contains("anna may have swap, and this machine has none"),
        "{wrong}"
    );
    assert_eq!(list["gpus"]["gpus"]["all"][0]["user"], "anna");
    let shown = home.ends(0, &["workspace", "show", "bob"]).out;
    assert!(
        shown.contains("ssh -p 10122 bob@127.0.0.1") && shown.contains("10103"),
        "{shown}"
    );
    assert!(!shown.contains("vncviewer"), "{shown}");
    home.ends(0, &["workspace", "disable", "bob"]);
    let refused = home.ends(3, &["workspace", "start", "bob"]);
    assert!(refused.err.contains("workspace enable bob"), "{}", refused.err);
    // Without a word nothing is removed, and the data stays when it is.
    home.ends(2, &["workspace", "remove", "anna", "--no-input"]);
    let kept = home.ends(0, &["workspace", "remove", "anna", "--yes"]);
    assert!(
        kept.err.contains("keeps") && kept.err.contains("homes/anna"),
        "{}",
        kept.err
    );
    let next = home.json(&["workspace", "add", "carla"]);
    assert_eq!(
        next["slot"], 2,
        "the ports of who left data behind are not given away"
    );
    let back = home.json(&["workspace", "add", "anna"]);
    assert_eq!(back["slot"], 0);
    home.ends(
        2,
        &["workspace", "remove", "anna", "--yes", "--delete-data", "bob"],
    );
    assert!(home.path("store/homes/anna").exists());
    let refused = home.ends(
        3,
        &["workspace", "remove", "anna", "--yes", "--delete-data", "anna"],
    );
    assert!(
        refused.err.contains("is not known"),
        "Docker is away: {}",
        refused.err
    );
    assert!(home.path("store/homes/anna").exists());
}

#[test]
fn no_secret_is_anywhere_but_in_its_file() {
    let home = Home::new();
    let said = home.run_with(
        &["workspace", "add", "anna", "--ask-password"],
        "a secret of hers\n",
    );
    assert_eq!(said.code, 0, "{}", said.err);
    let shown = home.json(&["workspace", "secrets", "show", "anna"]);
    assert_eq!(shown["password"], "a secret of hers");
    let vnc = shown["vnc-password"].as_str().unwrap().to_owned();
    assert_eq!(vnc.len(), 8);
    home.ends(
        0,
        &[
            "workspace",
            "compose",
            "--out",
            &home.path("out").display().to_string(),
        ],
    );
    let others = [
        "config/workspaces.toml",
        "state/workspaces/ledger.json",
        "out/compose.yaml",
        "out/.env",
    ];
    for text in others
        .map(|name| home.read(name))
        .iter()
        .chain([&said.out, &said.err])
    {
        assert!(
            !text.contains("a secret of hers") && !text.contains(&vnc),
            "{text}"
        );
    }
    let folder = home.path("state/workspaces/secrets/anna");
    for entry in fs::read_dir(&folder).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().mode() & 0o777, 0o600);
    }
    home.ends(0, &["workspace", "secrets", "rotate", "anna"]);
    assert_ne!(
        home.json(&["workspace", "secrets", "show", "anna"])["password"],
        "a secret of hers"
    );
    home.put("key.pub", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    let refused = home.ends(
        2,
        &[
            "workspace",
            "secrets",
            "keys",
            "anna",
            &home.path("key.pub").display().to_string(),
        ],
    );
    assert!(refused.err.contains("private key"), "{}", refused.err);
}

#[test]
fn privilege_is_typed_and_said() {
    let home = Home::new();
    let refused = home.ends(2, &["workspace", "add", "anna", "--privileged", "yes"]);
    assert!(refused.err.contains("root on this machine"), "{}", refused.err);
    assert!(!home.path("store/homes/anna").exists(), "nothing was made");
    let usual = home.ends(0, &["workspace", "add", "bob"]);
    assert!(!usual.err.contains("WARNING"), "{}", usual.err);
    let nested = home.ends(0, &["workspace", "add", "carla", "--docker-inside", "true"]);
    assert!(
        nested.err.contains("becomes root on this machine"),
        "{}",
        nested.err
    );
    let wide = home.ends(0, &["workspace", "edit", "bob", "--bind", "0.0.0.0"]);
    assert!(wide.err.contains("past its firewall"), "{}", wide.err);
    let compose = home.ends(0, &["workspace", "compose"]).out;
    assert!(
        !compose.contains("privileged") && compose.contains("SYS_ADMIN"),
        "{compose}"
    );
    home.ends(
        0,
        &[
            "workspace",
            "edit",
            "carla",
            "--docker-inside",
            "false",
            "--privileged",
            "carla",
        ],
    );
    let compose = home.ends(0, &["workspace", "compose"]).out;
    assert!(
        compose.contains("privileged: true") && !compose.contains("SYS_ADMIN"),
        "{compose}"
    );
}

#[test]
fn a_mistake_in_the_file_is_said_with_its_place_and_stops_no_other_verb() {
    let home = Home::new();
    home.put(
        "config/workspaces.toml",
        "base-port = 10000\n\n[user.anna]\nmemroy = \"8GiB\"\n",
    );
    let said = home.ends(2, &["workspace", "list"]);
    assert!(
        said.err.contains("workspaces.toml:4:1")
            && said.err.contains("^^^^^^")
            && said.err.contains("`memory`"),
        "{}",
        said.err
    );
    let others = home.ends(0, &["stage", "list"]);
    assert!(others.err.contains("workspaces.toml:4:1"), "{}", others.err);
}

#[test]
fn what_stands_in_the_way_of_ports_is_found_before_anything_starts() {
    let home = Home::new();
    // 10102 is in nobody's way yet: whoever comes second gets the block after it.
    let table = "  sl  local_address rem_address   st\n   0: 00000000:2776 00000000:0000 0A 0 0\n";
    home.put("machine/proc/net/tcp", table);
    home.ends(0, &["workspace", "add", "anna"]);
    assert_eq!(home.json(&["workspace", "add", "bob"])["slot"], 2);
    // Somebody begins to listen on anna's port for SSH.
    home.put(
        "machine/proc/net/tcp",
        &format!("{table}   1: 0100007F:2726 00000000:0000 0A 0 0\n"),
    );
    let map = home.ends(1, &["workspace", "ports"]).out;
    assert!(
        map.contains("10022!") && map.contains("something listens on 127.0.0.1"),
        "{map}"
    );
    let map = home.json(&["workspace", "ports"]);
    assert_eq!(
        (
            &map["collisions"][0]["service"],
            map["collisions"][0]["blocking"].as_bool()
        ),
        (&Value::Null, Some(true))
    );
    assert_eq!(map["collisions"][0]["collision"]["port"], 10022);
}

#[test]
fn fifty_users_have_a_map_without_a_collision() {
    let home = Home::new();
    let mut file = home.read("config/workspaces.toml");
    for number in 0..49 {
        file.extend(["\n[user.user", &number.to_string(), "]\n"]);
    }
    home.put("config/workspaces.toml", &file);
    let slots: Vec<String> = (0..49)
        .map(|n| format!("\"user{n}\":{{\"slot\":{n},\"since\":\"\"}}"))
        .collect();
    home.put(
        "state/workspaces/ledger.json",
        &format!("{{\"version\":1,\"slots\":{{{}}}}}", slots.join(",")),
    );
    assert_eq!(home.json(&["workspace", "add", "last"])["slot"], 49);
    let map = home.json(&["workspace", "ports"]);
    assert_eq!(map["collisions"], serde_json::json!([]));
    let ports: Vec<&Value> = map["users"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|user| user["ports"].as_object().unwrap().values())
        .collect();
    let different: std::collections::BTreeSet<i64> =
        ports.iter().map(|port| port.as_i64().unwrap()).collect();
    assert_eq!((ports.len(), different.len()), (300, 300));
}

#[test]
fn the_compose_file_says_the_same_and_compose_takes_it() {
    let home = Home::new();
    home.ends(0, &["workspace", "setup", "--domain", "lab.example.org"]);
    let limits = [
        "--memory",
        "2GiB",
        "--memory-reservation",
        "1GiB",
        "--swap",
        "1GiB",
        "--cpus",
        "1.5",
        "--gpus",
        "all",
    ];
    home.ends(0, &[&["workspace", "add", "anna"][..], &limits].concat());
    home.ends(0, &["workspace", "add", "bob", "--docker-inside", "true"]);
    home.ends(0, &["workspace", "add", "gone"]);
    home.ends(0, &["workspace", "disable", "gone"]);
    let out = home.path("out");
    let all = [
        "workspace",
        "compose",
        "--traefik",
        "--guacamole",
        "--monitoring",
        "--out",
    ];
    home.ends(0, &[&all[..], &[out.to_str().unwrap()]].concat());
    let text = home.read("out/compose.yaml");
    for part in [
        "ws-anna:",
        "mem_limit: \"2147483648\"",
        "memswap_limit: \"3221225472\"",
        "mem_reservation: \"1073741824\"",
        "cpus: 1.5",
        "\"127.0.0.1:10022:22/tcp\"",
        "target: \"/run/secrets\"",
        "create_host_path: false",
        "\"systempaths=unconfined\"",
        "source: \"ws-bob-docker\"",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(
        !text.contains("ws-gone") && !text.contains("privileged"),
        "{text}"
    );
    let routes = home.read("out/traefik/routes.yaml");
    assert!(
        routes.contains("Host(`anna-code.lab.example.org`)") && routes.contains("http://127.0.0.1:10004"),
        "{routes}"
    );
    serde_json::from_str::<Value>(&home.read("out/grafana/dashboards/workspaces.json")).unwrap();
    let by_hand = home.path("out/guacamole/user-mapping.xml");
    fs::write(&by_hand, "mine").unwrap();
    home.ends(0, &[&all[..], &[out.to_str().unwrap()]].concat());
    assert_eq!(
        fs::read_to_string(&by_hand).unwrap(),
        "mine",
        "what a person set stays"
    );
    if let Some(words) = compose_program() {
        let said = compose(&words, &home, &["config"]);
        assert!(
            said.contains(&halolab::workspace::image::default_name()),
            "{said}"
        );
    }
}

/// The machine is a captured one with an H100, Docker 28.5.2 and a CDI specification.
#[test]
fn compose_lets_a_gpu_in_as_this_machine_can() {
    let home = Home::new();
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hosts/nvidia-h100-docker");
    tree::copy(&host, &home.path("machine"));
    let gpu = "GPU-00000000-0000-0000-0000-000000000001";
    home.ends(0, &["workspace", "add", "anna", "--gpus", gpu]);
    home.ends(0, &["workspace", "add", "bob", "--gpus", "GPU-none"]);
    let said = home.ends(0, &["workspace", "compose"]);
    assert!(
        said.out.contains(&format!("nvidia.com/gpu={gpu}")) && said.out.contains("driver: \"cdi\""),
        "{}",
        said.out
    );
    assert!(
        said.err
            .contains("bob is without a GPU in there: there is no GPU `GPU-none` here"),
        "{}",
        said.err
    );
    // Without the specification its nodes are left, which are NVIDIA's and nobody else's.
    for file in ["root/etc/cdi/nvidia.yaml", "cmd/docker-info.json"] {
        let path = home.path("machine").join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("nvidia.com/gpu", "example.com/none")).unwrap();
    }
    let said = home.ends(0, &["workspace", "compose"]);
    for part in ["- \"/dev/nvidia0\"", "target: \"/opt/halolab/host-driver\""] {
        assert!(said.out.contains(part), "{part}\n{}", said.out);
    }
    assert!(!said.out.contains("kfd"), "{}", said.out);
    assert!(
        said.err.contains("anna: the GPU gets in by its nodes"),
        "{}",
        said.err
    );
}

#[test]
fn a_home_goes_into_a_file_and_comes_back() {
    let home = Home::new();
    home.ends(0, &["workspace", "add", "anna"]);
    home.put("store/homes/anna/notes/today", "work");
    let archive = home.path("anna.tar.zst").display().to_string();
    home.ends(0, &["workspace", "backup", "anna", &archive]);
    home.ends(1, &["workspace", "backup", "anna", &archive]);
    home.put("store/homes/anna/notes/today", "lost");
    let refused = home.ends(1, &["workspace", "restore", "anna", &archive]);
    assert!(refused.err.contains("--replace"), "{}", refused.err);
    home.ends(0, &["workspace", "restore", "anna", &archive, "--replace"]);
    assert_eq!(home.read("store/homes/anna/notes/today"), "work");
    if rustix::process::geteuid().is_root() {
        assert_eq!(fs::metadata(home.path("store/homes/anna")).unwrap().uid(), 20001);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_made_anew_while_the_others_session_goes_on() {
    let Some(engine) = docker().await else { return };
    let mut home = Home::new();
    home.docker = std::env::var("HALOLAB_TEST_DOCKER").unwrap();
    let number = std::process::id();
    let (anna, bob) = (format!("anna{number}"), format!("bob{number}"));
    let alias = format!("halolab/workspace:t{number}");
    image(&engine, &home.path("image"), &alias, "first").await;
    let _made = Made(&home, vec![anna.clone(), bob.clone()]);
    home.ends(0, &["workspace", "setup", "--image", &alias]);
    for user in [&anna, &bob] {
        home.ends(
            0,
            &[
                "workspace",
                "add",
                user,
                "--services",
                "ssh,code",
                "--memory",
                "256MiB",
                "--shm",
                "64MiB",
            ],
        );
    }
    home.ends(0, &["workspace", "start", "--all"]);
    let (her, his) = (format!("ws-{anna}"), format!("ws-{bob}"));
    // Asked inside, and at its ports.
    let asked = home.json(&["workspace", "status", &anna]);
    assert_eq!(asked["well"], true, "{asked}");
    let services = asked["users"][0]["services"].as_array().unwrap();
    for (service, name) in services.iter().zip(["ssh", "code"]) {
        assert_eq!(
            (&service["service"], &service["probed"]["answer"]),
            (&name.into(), &"speaks".into()),
            "{asked}"
        );
    }
    assert_eq!(services.len(), 2, "{asked}");
    let inside = |user: &str, script: &str| {
        let said = home.ends(0, &["workspace", "shell", user, "--", "sh", "-c", script]);
        said.out.trim().to_owned()
    };
    // What the container is, looked at from inside.
    assert_eq!(
        inside(&anna, "cat /run/who; hostname"),
        format!("{anna} 20001\n{her}")
    );
    assert_eq!(inside(&bob, "cat /run/who"), format!("{bob} 20002"));
    let mine = inside(
        &anna,
        &format!(
            "cat /run/secrets/password; touch /run/secrets/x /shared/x 2>/dev/null; echo; ls /run/secrets /shared; touch /shared/tensorboard/{anna}/ok && echo writable"
        ),
    );
    let shown = home.json(&["workspace", "secrets", "show", &anna]);
    assert!(mine.starts_with(shown["password"].as_str().unwrap()), "{mine}");
    assert!(mine.contains("writable") && !mine.contains("\nx\n"), "{mine}");
    assert_eq!(
        inside(
            &anna,
            "tr '\\0' '\\n' < /proc/1/environ | grep -ci password || true"
        ),
        "0"
    );
    inside(
        &anna,
        &format!("echo kept > /home/{anna}/work; echo mine > /root/installed"),
    );
    // A session of his that lasts.
    let before = told(&engine, &his).await;
    image(&engine, &home.path("image"), &alias, "second").await;
    home.ends(0, &["workspace", "update", &anna, "--yes"]);
    assert_eq!(
        inside(&anna, "echo $WORD; test -e /root/installed || echo fresh"),
        "second\nfresh"
    );
    assert_eq!(inside(&anna, &format!("cat /home/{anna}/work")), "kept");
    assert_eq!(
        told(&engine, &his).await,
        before,
        "the other one's container is the same, and was not started anew"
    );
    assert_eq!(inside(&bob, "echo $WORD"), "first");
    // What was changed counts after a restart, and what is inside stays.
    inside(&bob, "echo mine > /root/installed");
    home.ends(
        0,
        &[
            "workspace",
            "edit",
            &bob,
            "--memory",
            "300MiB",
            "--services",
            "ssh",
        ],
    );
    home.ends(0, &["workspace", "restart", &bob, "--yes"]);
    assert_eq!(
        inside(
            &bob,
            "cat /root/installed; tr '\\0' '\\n' < /proc/1/environ | grep ^WS_SERVICES"
        ),
        "mine\nWS_SERVICES=ssh"
    );
    // The way back is that of any lab.
    home.ends(0, &["undo", &her, "--yes"]);
    assert_eq!(inside(&anna, "echo $WORD; cat /root/installed"), "first\nmine");
    let refused = home.ends(3, &["workspace", "restore", &anna, "/nonexistent"]);
    assert!(refused.err.contains("workspace stop"), "{}", refused.err);
    home.ends(0, &["workspace", "stop", "--all"]);
    let states: Vec<Value> = home.json(&["workspace", "list"])["users"]
        .as_array()
        .unwrap()
        .clone();
    assert!(states.iter().all(|user| user["state"] == "stopped"), "{states:?}");
    let removed = home.ends(0, &["workspace", "remove", &bob, "--yes"]);
    assert!(removed.err.contains(&format!("homes/{bob}")), "{}", removed.err);
    assert!(engine.instance(&his).await.unwrap().is_none());
    assert!(home.path(&format!("store/homes/{bob}")).exists());
    home.ends(0, &["workspace", "remove", &bob, "--yes", "--delete-data", &bob]);
    assert!(!home.path(&format!("store/homes/{bob}")).exists() && home.path("store/shared").exists());
    assert_eq!(
        home.json(&["workspace", "add", "dora"])["slot"],
        1,
        "now its ports are free"
    );
    without_halolab(&home, &anna);
}

/// The same container without us.
fn without_halolab(home: &Home, user: &str) {
    let Some(words) = compose_program() else {
        panic!(
            "neither `docker compose` nor `docker-compose` is here: install Debian's package docker-compose"
        );
    };
    let lab = format!("ws-{user}");
    home.ends(0, &["remove", &lab, "--yes"]);
    let out = home.path("out").display().to_string();
    home.ends(0, &["workspace", "compose", "--out", &out]);
    compose(&words, home, &["up", "-d", &lab]);
    let said = compose(
        &words,
        home,
        &[
            "exec",
            "-T",
            &lab,
            "cat",
            "/run/who",
            &format!("/home/{user}/work"),
        ],
    );
    assert_eq!(said, format!("{user} 20001\nkept\n"));
    // each service through its mapped port, by a client that is not ours
    let ports = home.json(&["workspace", "show", user])["ports"].clone();
    let port = |service: &str| ports[service]["port"].as_u64().unwrap().to_string();
    let asks = |script: String| {
        let mut shell = home.beside_the_engine("sh");
        let said = shell.args(["-c", &script]).output().unwrap().stdout;
        String::from_utf8_lossy(&said).into_owned()
    };
    let waits = "for _ in $(seq 50); do said=$(";
    let until = ") && [ -n \"$said\" ] && break; sleep .2; done; echo \"$said\"";
    let (ssh, code) = (port("ssh"), port("code"));
    let banner = asks(format!(
        "{waits}busybox nc -w 5 127.0.0.1 {ssh} </dev/null | head -n 1{until}"
    ));
    assert_eq!(banner.trim_end(), "SSH-2.0-lab");
    let page = asks(format!(
        "{waits}curl -sf --max-time 5 http://127.0.0.1:{code}/healthz{until}"
    ));
    assert_eq!(page.trim_end(), "{\"status\":\"alive\"}");
    compose(&words, home, &["down"]);
    let gone = asks(format!("curl -sf --max-time 5 http://127.0.0.1:{code}/healthz"));
    assert_eq!(gone, "");
    assert_eq!(home.read(&format!("store/homes/{user}/work")), "kept\n");
}
