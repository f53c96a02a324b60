//! The figures of halolab beside the daemon's own client and the bare REST calls, in one run, as medians and ratios.
//!
//! `cargo bench --bench figures [-- --scale]`, with `HALOLAB_TEST_LXD` naming the socket of a private test daemon
//! (`tests/run.sh --keep` leaves one running). `--scale` adds 50 instances with 20 snapshots each, which takes minutes.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a measuring program: it stops where it cannot measure, prints its table, and starts its peers"
)]

mod peers;
mod screen;

use std::{sync::Arc, time::Instant};

use halolab::{
    backend::{Backend, ConfigEdit, InstanceSpec, Power, Progress, lxd},
    plan::{Action, Losses, Plan, Step, Track, Undo},
    run::{self, Context},
};
use peers::{Peers, median, row};

const PREFIX: &str = "hl-bench";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let socket = std::env::var("HALOLAB_TEST_LXD").unwrap_or_else(|_| {
        panic!(
            "HALOLAB_TEST_LXD must name the socket of a test daemon; `tests/run.sh --keep` leaves one running"
        )
    });
    let backend: Arc<dyn Backend> = Arc::new(lxd::connect(Some(&socket)).await.unwrap());
    let peers = Peers::new(&socket);
    let rounds = 12;
    operations(backend.as_ref(), &peers, rounds).await;
    recreate(&backend, &peers, rounds).await;
    side_by_side(&backend, 3).await;
    screen::report(&socket);
    if std::env::args().any(|a| a == "--scale") {
        scale(backend.as_ref(), &peers).await;
    }
}

fn spec(name: &str) -> InstanceSpec {
    InstanceSpec {
        name: name.into(),
        image: "lab/bb".into(),
        profiles: vec!["default".into()],
        ..InstanceSpec::default()
    }
}

async fn clear(backend: &dyn Backend, name: &str) {
    if backend.instance(name).await.unwrap().is_some() {
        backend.power(name, Power::Stop { seconds: 0 }).await.ok();
        backend.delete(name).await.unwrap();
    }
}

macro_rules! timed {
    ($into:expr, $what:expr) => {{
        let clock = Instant::now();
        let value = $what;
        $into.push(clock.elapsed().as_secs_f64() * 1000.0);
        value
    }};
}

/// Who measures when: each of the three once a round, and each as often first as last.
fn turns(rounds: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rounds).flat_map(|round| (0..3).map(move |turn| (round, (round + turn) % 3)))
}

/// Create and start, snapshot, restore, delete: our client, bare REST, and the daemon's own client.
async fn operations(backend: &dyn Backend, peers: &Peers, rounds: usize) {
    let name = format!("{PREFIX}-ops");
    let progress = Progress::default();
    let mut times = [const { [const { Vec::new() }; 3] }; 4];
    for (_, who) in turns(rounds) {
        clear(backend, &name).await;
        match who {
            0 => {
                timed!(times[0][0], {
                    backend.create(&spec(&name), &progress).await.unwrap();
                    backend.power(&name, Power::Start).await.unwrap();
                });
                timed!(times[1][0], backend.snapshot(&name, "s").await.unwrap());
                timed!(times[2][0], backend.restore(&name, "s", "").await.unwrap());
                timed!(times[3][0], {
                    backend.power(&name, Power::Stop { seconds: 0 }).await.unwrap();
                    backend.delete(&name).await.unwrap();
                });
            }
            1 => {
                timed!(times[0][1], peers.rest_create(&name).await);
                timed!(times[1][1], peers.rest_snapshot(&name, "s").await);
                timed!(times[2][1], peers.rest_restore(&name, "s").await);
                timed!(times[3][1], peers.rest_delete(&name).await);
            }
            _ => {
                timed!(times[0][2], peers.lxc(&["launch", "-q", "lab/bb", &name]));
                timed!(times[1][2], peers.lxc(&["snapshot", &name, "s"]));
                timed!(times[2][2], peers.lxc(&["restore", &name, "s"]));
                timed!(times[3][2], peers.lxc(&["delete", "-f", &name]));
            }
        }
    }
    println!(
        "{:<34} {:>10} {:>10} {:>10}   ours/REST  ours/lxc",
        "median ms", "halolab", "REST", "lxc"
    );
    for (what, [ours, rest, lxc]) in [
        "create and start",
        "snapshot",
        "restore (running)",
        "delete (running)",
    ]
    .iter()
    .zip(times)
    {
        row(what, ours, rest, Some(lxc));
    }
}

fn action(id: &str, step: Step) -> Action {
    Action {
        id: id.into(),
        sentence: id.into(),
        command: String::new(),
        destroys: None,
        undo: Undo::Nothing,
        seconds: 1,
        step,
        optional: false,
        engine: halolab::backend::Engine::Lxd,
    }
}

fn context(backend: &Arc<dyn Backend>, home: &std::path::Path) -> Context {
    let backend = Arc::clone(backend);
    let (events, mut heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move { while heard.recv().await.is_some() {} });
    Context {
        connect: Arc::new(move |_| {
            let backend = Arc::clone(&backend);
            Box::pin(async move { Ok(backend) })
        }),
        runs: home.join("runs"),
        cache: home.join("cache"),
        secrets: std::collections::BTreeMap::new(),
        events,
        cancel: tokio_util::sync::CancellationToken::new(),
        stop_code: run::StopCode::default(),
    }
}

/// Recreate from `clean` as halolab's runner does it (journal, checks, marks) against the bare calls.
async fn recreate(backend: &Arc<dyn Backend>, peers: &Peers, rounds: usize) {
    let name = format!("{PREFIX}-again");
    let prev = format!("{name}-prev");
    let home = tempfile::tempdir().unwrap();
    let mut times = [const { Vec::new() }; 3];
    for (round, who) in turns(rounds) {
        clear(backend.as_ref(), &name).await;
        clear(backend.as_ref(), &prev).await;
        backend.create(&spec(&name), &Progress::default()).await.unwrap();
        backend.snapshot(&name, "clean").await.unwrap();
        backend.power(&name, Power::Start).await.unwrap();
        match who {
            0 => {
                let plan = recreate_plan(&name, &prev);
                let cx = context(backend, home.path());
                let outcome = timed!(times[0], run::apply(&plan, &format!("r{round}"), &cx).await);
                assert_eq!(outcome.code, 0, "{:?}", outcome.summary);
            }
            1 => timed!(times[1], peers.rest_recreate(&name, &prev).await),
            _ => timed!(times[2], peers.lxc_recreate(&name, &prev)),
        }
    }
    clear(backend.as_ref(), &name).await;
    clear(backend.as_ref(), &prev).await;
    let [ours, rest, lxc] = times;
    row("recreate from clean", ours, rest, Some(lxc));
}

fn recreate_plan(name: &str, prev: &str) -> Plan {
    let actions = vec![
        action(
            "stop",
            Step::Power {
                name: name.into(),
                power: Power::Stop { seconds: 0 },
            },
        ),
        action(
            "keep",
            Step::Copy {
                from: name.into(),
                snapshot: None,
                spec: spec(prev),
            },
        ),
        action(
            "clear",
            Step::Delete {
                name: name.into(),
                uuid: String::new(),
                only_if: Some(prev.into()),
            },
        ),
        action(
            "make",
            Step::Copy {
                from: prev.into(),
                snapshot: Some("clean".into()),
                spec: spec(name),
            },
        ),
        action(
            "start",
            Step::Power {
                name: name.into(),
                power: Power::Start,
            },
        ),
    ];
    Plan {
        version: 1,
        host: vec![],
        labs: vec![track(name, actions)],
        losses: Losses::default(),
    }
}

fn track(lab: &str, actions: Vec<Action>) -> Track {
    Track {
        lab: lab.into(),
        stage: "bench".into(),
        choice: halolab::plan::Choice::Create,
        actions,
        loses: vec![],
        keeps: vec![],
        uuid: String::new(),
        notes: vec![],
    }
}

/// Two labs one after another, and side by side.
async fn side_by_side(backend: &Arc<dyn Backend>, rounds: usize) {
    let names = [format!("{PREFIX}-one"), format!("{PREFIX}-two")];
    let home = tempfile::tempdir().unwrap();
    let script = "i=0; while [ $i -lt 20 ]; do i=$((i+1)); sleep 0.1; done";
    let lab = |name: &String| {
        let tracked = vec![
            action(&format!("{name}/create"), Step::Create { spec: spec(name) }),
            action(
                &format!("{name}/start"),
                Step::Power {
                    name: name.clone(),
                    power: Power::Start,
                },
            ),
            action(
                &format!("{name}/work"),
                Step::Exec {
                    name: name.clone(),
                    script: script.into(),
                    env: [].into(),
                    secrets: vec![],
                },
            ),
            action(
                &format!("{name}/ready"),
                Step::Edit {
                    name: name.clone(),
                    edit: ConfigEdit::default(),
                    uuid: String::new(),
                },
            ),
            action(
                &format!("{name}/stop"),
                Step::Power {
                    name: name.clone(),
                    power: Power::Stop { seconds: 0 },
                },
            ),
        ];
        track(name, tracked)
    };
    let mut times = [const { Vec::new() }; 2];
    for round in 0..rounds {
        for (way, tracks) in [
            vec![vec![lab(&names[0])], vec![lab(&names[1])]],
            vec![names.iter().map(lab).collect()],
        ]
        .into_iter()
        .enumerate()
        {
            for name in &names {
                clear(backend.as_ref(), name).await;
            }
            timed!(times[way], {
                for (index, labs) in tracks.into_iter().enumerate() {
                    let plan = Plan {
                        version: 1,
                        host: vec![],
                        labs,
                        losses: Losses::default(),
                    };
                    let outcome = run::apply(
                        &plan,
                        &format!("s{round}-{way}-{index}"),
                        &context(backend, home.path()),
                    )
                    .await;
                    assert_eq!(outcome.code, 0, "{:?}", outcome.summary);
                }
            });
        }
    }
    for name in &names {
        clear(backend.as_ref(), name).await;
    }
    let [after, beside] = times;
    let (after, beside) = (median(after), median(beside));
    let one = after / 2.0;
    println!(
        "two labs: {after:.0} ms one after another, {beside:.0} ms side by side; the second costs {:.0} % of the first",
        (beside - one) / one * 100.0
    );
}

/// Status of 50 instances with 20 snapshots each, against `lxc list`.
async fn scale(backend: &dyn Backend, peers: &Peers) {
    let progress = Progress::default();
    let name = |i: usize| format!("{PREFIX}-many-{i}");
    for i in 0..50 {
        clear(backend, &name(i)).await;
        backend.create(&spec(&name(i)), &progress).await.unwrap();
        for s in 0..20 {
            backend.snapshot(&name(i), &format!("s{s}")).await.unwrap();
        }
    }
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..5 {
        timed!(times[0], peers.halolab(&["status", "--json"]));
        timed!(times[1], peers.lxc(&["list"]));
    }
    for i in 0..50 {
        clear(backend, &name(i)).await;
    }
    let [ours, lxc] = times;
    let (ours, lxc) = (median(ours), median(lxc));
    println!(
        "status of 50 x 20: halolab {ours:.0} ms, lxc list {lxc:.0} ms: {:.0} times faster",
        lxc / ours
    );
}
