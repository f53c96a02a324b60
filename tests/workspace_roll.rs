//! A new image for workspaces on the private Docker of `tests/run.sh`: one user after the other, back where a service does not
//! come up, and nobody else is disturbed.
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
#[path = "common/workspace.rs"]
mod workspace;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use common::program::Said;
use docker::docker;
use workspace::{Home, Made, image, told};

/// A connection to a workspace's SSH port that stays open, and answers what it is told.
struct Session {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Session {
    fn open(home: &Home, port: u64) -> Self {
        let mut child = home
            .beside_the_engine("busybox")
            .args(["nc", "127.0.0.1", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut session = Self {
            child,
            to,
            from: BufReader::new(from),
        };
        assert_eq!(session.line(), "SSH-2.0-lab\r\n");
        session
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line
    }

    fn says(&mut self, text: &str) -> String {
        self.to.write_all(format!("{text}\n").as_bytes()).unwrap();
        self.line()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tells(said: &Said, words: &[&str]) {
    for word in words {
        assert!(said.err.contains(word), "{word}\n{}\n{}", said.out, said.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_get_well_with_a_new_image_has_the_old_one_and_nobody_else_is_disturbed() {
    let Some(engine) = docker().await else { return };
    let mut home = Home::new();
    home.docker = std::env::var("HALOLAB_TEST_DOCKER").unwrap();
    let number = std::process::id();
    let users = ["anna", "bob", "cara"].map(|name| format!("{name}{number}"));
    let [anna, bob, cara] = &users;
    let alias = format!("halolab/workspace:r{number}");
    let folder = home.path("image");
    image(&engine, &folder, &alias, "first").await;
    let mut made = users.to_vec();
    made.push(format!("dora{number}"));
    let _made = Made(&home, made);
    home.ends(0, &["workspace", "setup", "--image", &alias]);
    for user in &users {
        let small = ["--services", "ssh,code", "--memory", "256MiB", "--shm", "64MiB"];
        home.ends(0, &[&["workspace", "add", user], &small[..]].concat());
    }
    let started = home.ends(0, &["workspace", "start", "--all"]);
    tells(&started, &[&format!("{bob}: all services answer")]);
    let said = home.ends(0, &["workspace", "logs", anna, "code"]);
    assert_eq!(said.out, "listening\n");
    let all = home.ends(0, &["workspace", "logs", anna]);
    assert!(all.out.contains("==> code.log <==\nlistening\n"), "{}", all.out);
    let nothing = home.ends(0, &["workspace", "logs", anna, "vnc"]);
    tells(&nothing, &["has written nothing yet"]);
    home.ends(2, &["workspace", "logs", anna, "nonsense"]);

    let port = home.json(&["workspace", "show", bob])["ports"]["ssh"]["port"].as_u64();
    let mut session = Session::open(&home, port.unwrap_or(10_122));
    let word = |user: &str| {
        let script = "echo $WORD; cat /root/installed 2>/dev/null || echo fresh";
        let said = home.ends(0, &["workspace", "shell", user, "--", "sh", "-c", script]);
        said.out.trim().to_owned()
    };
    let mine = [
        "workspace",
        "shell",
        anna,
        "--",
        "sh",
        "-c",
        "echo mine > /root/installed",
    ];
    home.ends(0, &mine);
    let his = told(&engine, &format!("ws-{bob}")).await;

    // its code-server is given up: seen after the swap, and taken back
    image(&engine, &folder, &alias, "broken").await;
    let rolled = home.ends(1, &["workspace", "update", "--all", "--yes"]);
    tells(
        &rolled,
        &[
            &format!("{anna}: code does not come up"),
            "cannot find module 'left-pad'",
            &format!("{anna} has the container of before again, and its services answer"),
            &format!("kept: ws-{anna}-prev"),
            &format!("not touched, because {anna} failed: {bob}, {cara}"),
        ],
    );
    assert_eq!(word(anna), "first\nmine");
    assert_eq!(session.says("still here"), "still here\n");
    let dora = format!("dora{number}");
    home.ends(0, &["workspace", "add", &dora, "--services", "ssh,code"]);
    let failing = home.ends(1, &["workspace", "start", &dora]);
    tells(
        &failing,
        &["code does not come up", "left-pad", "SERVICE` begins one anew"],
    );

    // it ends at once: nothing was swapped, and the one that is there goes on
    image(&engine, &folder, &alias, "ends").await;
    let rolled = home.ends(1, &["workspace", "update", anna, bob, "--yes"]);
    tells(
        &rolled,
        &[
            "the container of before again, and its services answer",
            &format!("not touched, because {anna} failed: {bob}"),
        ],
    );
    assert_eq!(word(anna), "first\nmine");

    // a good one
    image(&engine, &folder, &alias, "second").await;
    home.ends(0, &["workspace", "update", anna, cara, "--yes"]);
    assert_eq!(
        (word(anna), word(cara)),
        ("second\nfresh".into(), "second\nfresh".into())
    );
    assert_eq!(session.says("and still"), "and still\n");
    assert_eq!(told(&engine, &format!("ws-{bob}")).await, his);
}
