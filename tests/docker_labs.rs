//! Labs of Docker by the program itself, on the private daemon of `tests/run.sh`: made, broken, put back, made anew and
//! removed as labs of LXD are, and what is said where one of the two engines is away.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::docking::Home;

#[test]
fn a_lab_of_docker_is_made_broken_put_back_made_anew_and_removed() {
    let Some(home) = Home::new(&["docker-labs/box-lab"]) else {
        return;
    };
    let lab = home.labs[0].as_str();
    // LXD is away all the time: its labs are none of this one's business.
    home.ends(0, &["apply", lab, "--yes", "--set", "colour=blue"]);
    assert_eq!(home.inside(lab, "cat /greeting"), "hello in blue");
    home.inside(lab, "echo kept > /data/models/weights; echo work > /root/work");
    let taken = home.ends(0, &["snapshot", "create", lab, "works", "-m", "it runs"]);
    let data = home.folder.path().join("data").join(lab);
    assert!(
        taken
            .err
            .contains(&format!("it does not hold what is in {}", data.display())),
        "{}",
        taken.err
    );
    home.inside(
        lab,
        "rm /root/work; echo broken > /greeting; echo more >> /data/models/weights",
    );
    home.ends(0, &["apply", lab, "--yes", "--choose", "restore:works"]);
    assert_eq!(
        home.inside(lab, "cat /root/work /greeting"),
        "work\nhello in blue"
    );
    assert_eq!(
        home.inside(lab, "cat /data/models/weights"),
        "kept\nmore",
        "no snapshot holds it"
    );
    assert_eq!(
        home.names(lab, "snapshots"),
        ["before-restore-1", "works", "clean"]
    );
    let changed = home
        .ends(
            0,
            &["snapshot", "diff", lab, "before-restore-1", "works", "--json"],
        )
        .out;
    assert!(
        changed.contains("/root/work") && changed.contains("/greeting"),
        "{changed}"
    );
    home.ends(0, &["undo", lab, "--yes"]);
    assert_eq!(home.inside(lab, "test -e /root/work || echo gone"), "gone");
    home.ends(0, &["apply", lab, "--yes", "--choose", "restore:works"]);
    made_anew_and_removed(&home, lab);
}

fn made_anew_and_removed(home: &Home, lab: &str) {
    // The old one is kept whole, with its snapshots; the data stays where it is.
    home.ends(0, &["recreate", lab, "--yes"]);
    assert_eq!(
        home.inside(lab, "test -e /root/work || cat /data/models/weights"),
        "kept\nmore"
    );
    assert_eq!(
        home.inside(lab, "cat /greeting"),
        "hello in blue",
        "the answers are remembered"
    );
    home.ends(0, &["undo", lab, "--yes"]);
    assert_eq!(home.inside(lab, "cat /root/work"), "work");
    home.ends(0, &["update", lab, "--yes"]);
    assert_eq!(home.inside(lab, "cat /updates"), "1");
    home.ends(0, &["stop", lab]);
    assert_eq!(home.status(lab)["status"], "stopped");
    home.ends(0, &["start", lab]);
    home.ends(0, &["remove", lab, "--keep", "--yes"]);
    assert_eq!(
        home.run(&["status", lab, "--json"])
            .out
            .matches("\"missing\"")
            .count(),
        1
    );
    home.ends(0, &["undo", lab, "--yes"]);
    assert_eq!(home.inside(lab, "cat /root/work"), "work");
    home.ends(0, &["remove", lab, "--yes"]);
    let left = home.status(lab);
    assert_eq!(left["presence"], "missing");
    assert!(
        home.folder
            .path()
            .join("data")
            .join(lab)
            .join("models/weights")
            .exists()
    );
}

#[test]
fn an_update_builds_the_image_anew_and_keeps_the_data() {
    let Some(home) = Home::new(&["docker-labs/built-lab"]) else {
        return;
    };
    let lab = home.labs[0].as_str();
    let said = home.ends(0, &["apply", lab, "--yes"]).err;
    assert!(
        said.contains("Step 4/") && said.contains("RUN echo \"$COLOUR\""),
        "{said}"
    );
    assert!(said.contains("CPU only: built"), "{said}");
    home.inside(lab, "echo hours > /data/store/built; echo x > /root/inside");
    // A text that changed is looked at before it is built.
    let stage = home.folder.path().join("config/stages").join(lab);
    let hello = stage.join("parts/hello.sh");
    std::fs::write(&hello, "#!/bin/sh\necho 'CPU only: built again'\n").unwrap();
    let refused = home.ends(3, &["update", lab, "--yes"]);
    assert!(refused.err.contains("stage trust"), "{}", refused.err);
    home.trust(lab);
    home.ends(0, &["update", lab, "--yes"]);
    assert_eq!(
        home.inside(lab, "/usr/local/bin/hello.sh"),
        "CPU only: built again"
    );
    assert_eq!(
        home.inside(lab, "cat /data/store/built; test -e /root/inside || echo fresh"),
        "hours\nfresh"
    );
    assert_eq!(home.names(lab, "versions"), [format!("{lab}-prev")]);
    // What fails leaves the lab as it is, and says which step and what it wrote.
    let file = stage.join("Dockerfile");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + "RUN echo the reason is here && false\n").unwrap();
    home.trust(lab);
    let failed = home.ends(5, &["update", lab, "--yes"]);
    let all = failed.out + &failed.err;
    assert!(
        all.contains("the reason is here") && all.contains("RUN echo"),
        "{all}"
    );
    assert_eq!(
        home.inside(lab, "/usr/local/bin/hello.sh"),
        "CPU only: built again"
    );
}

#[test]
fn a_long_command_in_a_lab_of_docker_is_a_job_like_any_other() {
    let Some(home) = Home::new(&["docker-labs/box-lab"]) else {
        return;
    };
    let lab = home.labs[0].as_str();
    home.ends(0, &["apply", lab, "--yes"]);
    let script = "echo one; sleep 1; echo two";
    let said = home.ends(0, &["job", "run", lab, "--", "sh", "-c", script]);
    let id = said.out.trim().to_owned();
    home.ends(0, &["job", "wait", &id]);
    assert_eq!(home.ends(0, &["job", "logs", &id]).out, "one\ntwo\n");
}

#[test]
fn what_is_away_is_said_and_the_other_engine_works() {
    let Some(home) = Home::new(&["docker-labs/box-lab"]) else {
        return;
    };
    let lab = home.labs[0].as_str();
    let nobody = home.folder.path().join("no.sock").display().to_string();
    let away = home.run(&["apply", lab, "--yes", "--docker", &nobody]);
    assert_ne!(away.code, 0);
    assert!(
        away.err.contains("no.sock") && away.err.contains("--docker"),
        "{}",
        away.err
    );
    let socket = std::env::var("HALOLAB_TEST_LXD").unwrap_or_default();
    if socket.is_empty() || socket == "skip" {
        return;
    }
    // Labs of both engines in one plan.
    let Some(mut both) = Home::new(&["docker-labs/box-lab", "labs/mini-lab"]) else {
        return;
    };
    both.lxd = socket.into();
    let (there, here) = (both.labs[0].as_str(), both.labs[1].as_str());
    both.ends(0, &["apply", there, here, "--yes"]);
    for lab in [there, here] {
        assert_eq!(both.inside(lab, "cat /greeting"), "hello in green");
    }
    let said = both.ends(0, &["status", "--json"]).out;
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["engine"]["product"], &said["docker"]["product"]),
        (&"lxd".into(), &"docker".into())
    );
    let taken = both.ends(3, &["plan", there, "--choose", "create"]);
    assert!(taken.err.contains("exists already"), "{}", taken.err);
    // Docker goes away: LXD's labs do not notice, and the other one's row says why.
    let said = both.ends(0, &["status", "--docker", &nobody]);
    assert!(
        said.out.contains(here) && said.out.contains("no.sock"),
        "{}",
        said.out
    );
    both.ends(0, &["stop", here, "--docker", &nobody]);
}
