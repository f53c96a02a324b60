//! What is done to a lab, and how a run of it that was ended is gone on with.

use std::time::Duration;

use super::{
    ground::{Ground, Ran, State},
    picture::Picture,
    proxy::Call,
};

/// How long an undisturbed run may take on a loaded machine.
pub const LONG: Duration = Duration::from_mins(3);

/// One of the things that the program does to a lab.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub from: State,
    /// Arguments, with `LAB` for its name.
    pub command: &'static [&'static str],
    /// The lab's work must be somewhere at any moment.
    pub keeps: bool,
}

/// All of them.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "create",
        from: State::Nothing,
        command: &["apply", "LAB", "--yes", "--set", "greeting=good morning"],
        keeps: false,
    },
    Scenario {
        name: "restore",
        from: State::Worked,
        command: &["apply", "LAB", "--choose", "restore:works", "--yes"],
        keeps: true,
    },
    Scenario {
        name: "recreate",
        from: State::Worked,
        command: &["recreate", "LAB", "--yes"],
        keeps: true,
    },
    Scenario {
        name: "recreate:clean",
        from: State::Worked,
        command: &["recreate", "LAB", "--from-clean", "--yes"],
        keeps: true,
    },
    Scenario {
        name: "update",
        from: State::Worked,
        command: &["update", "LAB", "--yes"],
        keeps: true,
    },
    Scenario {
        name: "bring-back",
        from: State::Recreated,
        command: &["undo", "LAB", "--yes"],
        keeps: true,
    },
    Scenario {
        name: "undo",
        from: State::Restored,
        command: &["undo", "LAB", "--yes"],
        keeps: true,
    },
    Scenario {
        name: "copy",
        from: State::Worked,
        command: &["apply", "LAB", "--choose", "copy:works:LAB-copy", "--yes"],
        keeps: true,
    },
    Scenario {
        name: "remove",
        from: State::Worked,
        command: &["remove", "LAB", "--yes"],
        keeps: false,
    },
    Scenario {
        name: "uninstall",
        from: State::Worked,
        command: &["uninstall", "--with-labs", "LAB", "--yes"],
        keeps: false,
    },
    Scenario {
        name: "snapshot rm",
        from: State::Worked,
        command: &["snapshot", "rm", "LAB", "old", "--yes"],
        keeps: true,
    },
    Scenario {
        name: "snapshot prune",
        from: State::Worked,
        command: &["snapshot", "prune", "LAB", "--keep", "0", "--yes"],
        keeps: true,
    },
];

/// How it ends when nothing disturbs it.
#[derive(Clone, Debug)]
pub struct Reference {
    pub calls: Vec<Call>,
    pub end: Picture,
}

impl Scenario {
    pub fn arguments(&self, ground: &Ground) -> Vec<String> {
        let words = self.command.iter();
        words.map(|word| word.replace("LAB", ground.lab())).collect()
    }

    /// Runs it undisturbed; once more where a machine that is busy with other work kept the daemon from answering.
    pub fn undisturbed(&self, ground: &mut Ground) -> Reference {
        let mut run = || {
            ground.reset(self.from);
            ground.run(&self.arguments(ground), LONG)
        };
        let mut ran = run();
        if ran.code != Some(0) {
            println!("{} undisturbed, once more: {}", self.name, tail(&ran.said));
            ran = run();
        }
        assert_eq!(ran.code, Some(0), "{}: {}", self.name, ran.said);
        let calls = ground.proxy.calls();
        assert!(ground.settle(), "{}: the daemon does not come to rest", self.name);
        Reference {
            calls,
            end: Picture::of(ground),
        }
    }

    /// What the program tells a user to type after it was ended: its run is gone on with, and what is no run, or was
    /// ended before its journal was there, is typed again.
    pub fn next(&self, ground: &Ground) -> Option<Vec<String>> {
        let runs = ground.home.ends(0, &["runs", "--json"]).out;
        let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
        match runs.as_array().and_then(|runs| runs.first()) {
            None => Some(self.arguments(ground)),
            Some(run) if run["code"] == 0 => None,
            Some(run) => {
                let id = run["id"].as_str().unwrap();
                Some(["runs", "resume", id, "--yes"].map(str::to_owned).to_vec())
            }
        }
    }

    /// Goes on until it ended well, as a user would: at most twice. What it said last where it does not.
    pub fn go_on(&self, ground: &Ground) -> Result<usize, String> {
        let mut last = String::new();
        for tries in 1..=2 {
            let Some(words) = self.next(ground) else {
                return Ok(tries - 1);
            };
            let Ran { code, hung, said, .. } = ground.run(&words, LONG);
            ground.settle();
            // What was done is said where it is done already.
            let done = words.first().is_some_and(|w| w == "snapshot") && said.contains("has no snapshot");
            if code == Some(0) || done {
                return Ok(tries);
            }
            let how = if hung {
                "hung".to_owned()
            } else {
                format!("{code:?}")
            };
            last = format!("{} {how}: {}", words.join(" "), tail(&said));
        }
        Err(last)
    }
}

/// The end of what a program said, on one line.
pub fn tail(said: &str) -> String {
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let from = line.chars().count().saturating_sub(400);
    line.chars().skip(from).collect()
}
