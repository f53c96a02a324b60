//! How long it takes to add the fiftieth user: `cargo bench --bench workspaces`. It needs no engine.
//!
//! The program is started as somebody would type it, on a home in which 49 users have slots, folders and passwords; each
//! round begins with that same home. `add` writes ledger, settings, folders and secrets, with each file synced;
//! `ports` is the map of all fifty with what stands in their way.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a measuring program: it stops where it cannot measure, prints its table, and starts the program"
)]

use std::{path::Path, process::Command, time::Instant};

/// Rounds of which the median is told.
const ROUNDS: usize = 21;
/// What it may take.
const MOST: f64 = 50.0;

/// Milliseconds of one verb; it has to end well.
fn verb(home: &Path, arguments: &[&str]) -> f64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halolab"));
    command
        .args(arguments)
        .env("HALOLAB_HOME", home)
        .env("HALOLAB_DATA", home.join("data"))
        .env(
            "DOCKER_HOST",
            format!("unix://{}", home.join("nobody.sock").display()),
        )
        .env("LXD_SOCKET", home.join("nobody.socket"));
    let begun = Instant::now();
    let ended = command.output().unwrap();
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{arguments:?}: {said}");
    took
}

fn median(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() - 1])
}

fn main() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let root = home.join("store").display().to_string();
    verb(home, &["workspace", "setup", "--root", &root]);
    for number in 1..50 {
        verb(home, &["workspace", "add", &format!("user{number}")]);
    }
    let (mut adds, mut maps) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        adds.push(verb(home, &["workspace", "add", "last"]));
        maps.push(verb(home, &["workspace", "ports"]));
        verb(
            home,
            &["workspace", "remove", "last", "--delete-data", "last", "--yes"],
        );
    }
    for (what, times) in [("add user 50", adds), ("ports of 50", maps)] {
        let (median, most) = median(times);
        let verdict = if median < MOST { "kept" } else { "MISSED" };
        println!("{what:<14} median {median:6.1} ms, most {most:6.1} ms; at most {MOST:.0} ms: {verdict}");
    }
}
