//! What of a job becomes an event, each once: what `events.jsonl` says already is read out of it when a watcher begins,
//! so that whoever goes on neither repeats nor leaves out anything.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Mirror, Result, State, Status, events::Events, status::short};
use crate::{
    config::JobConfig,
    progress::{self, Package, Tree},
};

/// Without another event for so long, one says that the job lives.
const HEARTBEAT: SignedDuration = SignedDuration::from_mins(5);

/// What is told of a package.
type Told = (u32, String, String);

/// Writes events.
#[derive(Debug)]
pub(super) struct Teller {
    events: Events,
    /// Packages, by attempt, with the states that were told.
    packages: BTreeSet<Told>,
    /// The attempts whose begin and end were told last.
    started: u32,
    exited: u32,
    /// It was said that it is stuck, and not yet that it goes on.
    stuck: bool,
    /// Seconds without output after which it is called stuck.
    limit: u64,
}

impl Teller {
    /// Goes on with the file of a job.
    pub(super) fn open(mirror: &Mirror) -> Result<Self> {
        let (events, known) = Events::open(&mirror.folder().join("events.jsonl"))?;
        let minutes = mirror
            .job
            .stuck_minutes
            .unwrap_or_else(|| JobConfig::default().stuck_minutes);
        let mut teller = Self {
            events,
            packages: BTreeSet::new(),
            started: 0,
            exited: 0,
            stuck: false,
            limit: minutes.saturating_mul(60).max(1),
        };
        for line in &known {
            let attempt = u32::try_from(line["attempt"].as_u64().unwrap_or(0)).unwrap_or(0);
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            match text("ev").as_str() {
                "start" => (teller.started, teller.stuck) = (attempt, false),
                "exit" => teller.exited = attempt,
                "warn" => teller.stuck = text("what") == "stuck",
                "pkg" => {
                    teller.packages.insert((attempt, text("key"), text("state")));
                }
                _ => {}
            }
        }
        Ok(teller)
    }

    /// Number of the last event.
    pub(super) fn seq(&self) -> u64 {
        self.events.seq()
    }

    /// Whether the end of this attempt was told.
    pub(super) fn has_ended(&self, attempt: u32) -> bool {
        self.exited == attempt
    }

    /// How it stands now, after it stood otherwise; `offset` is how long its log is here.
    pub(super) fn changed(&mut self, mirror: &Mirror, old: &Status, new: &Status, offset: u64) {
        let attempt = new.attempt;
        if attempt > self.started {
            (self.started, self.stuck) = (attempt, false);
            let more = json!({ "title": short(&mirror.job.title), "container": mirror.job.container });
            self.events.add("start", attempt, offset, more);
        }
        let mut add = |event: &str, more: Value| self.events.add(event, attempt, offset, more);
        if new.progress.phase != old.progress.phase {
            add("phase", json!({ "phase": new.progress.phase }));
        }
        if new.progress.last_error != old.progress.last_error && !new.progress.last_error.is_empty() {
            add("error", json!({ "text": new.progress.last_error }));
        }
        if new.state == State::Stopping && old.state != State::Stopping {
            add("signal", Value::Null);
        }
    }

    /// What began, ended and failed of what is built. `off` and `len` are its part of the log, `at` is when it was, by
    /// the lab's clock.
    pub(super) fn packages(&mut self, attempt: u32, tree: &Tree) {
        let mut fresh: Vec<(u64, u64, Value)> = vec![];
        for package in tree.packages() {
            for (word, at) in words(package) {
                let told = (attempt, package.key.clone(), word.clone());
                if !self.packages.contains(&told) {
                    let (from, end) = part(package);
                    let place = if word == "started" { from } else { end };
                    fresh.push((place, from, event(package, &word, at)));
                    self.packages.insert(told);
                }
            }
        }
        fresh.sort_by_key(|(place, ..)| *place);
        for (_, from, more) in fresh {
            self.events.add("pkg", attempt, from, more);
        }
    }

    /// Whether it is stuck: seconds since it last wrote something, by the lab's clock.
    pub(super) fn silence(&mut self, attempt: u32, offset: u64, age: u64) {
        let is_stuck = age >= self.limit;
        if is_stuck == self.stuck {
            return;
        }
        self.stuck = is_stuck;
        let more = if is_stuck {
            json!({ "what": "stuck", "seconds": age })
        } else {
            json!({ "what": "alive" })
        };
        self.events.add("warn", attempt, offset, more);
    }

    /// Says that it lives, where nothing else did for a while.
    pub(super) fn heartbeat(&mut self, status: &Status, offset: u64, now: Timestamp) {
        let quiet = self.events.last().map(|last| now.duration_since(last));
        if quiet.is_some_and(|quiet| quiet >= HEARTBEAT) {
            let progress = &status.progress;
            let more = json!({ "state": status.state, "done": progress.done, "total": progress.total });
            self.events.add("heartbeat", status.attempt, offset, more);
        }
    }

    /// How it ended; nothing of this attempt follows.
    pub(super) fn ended(&mut self, status: &Status, offset: u64) {
        let exit = status.exit.clone().unwrap_or_default();
        if exit.reason == "disk-full" {
            self.events.add("disk", status.attempt, offset, Value::Null);
        }
        let more = json!({ "state": status.state, "exit": exit });
        self.events.add("exit", status.attempt, offset, more);
        self.exited = status.attempt;
    }
}

/// What is to be told of a package, and when it was: nothing of one that was there before.
fn words(package: &Package) -> Vec<(String, Option<progress::Millis>)> {
    use progress::State;
    let mut words = vec![];
    if package.started.is_some() || package.state.is_active() {
        words.push(("started".to_owned(), package.started));
    }
    let ended = match package.state {
        State::Installed => "installed",
        State::Cached => "cached",
        State::Failed => "failed",
        State::Skipped => "skipped",
        State::Interrupted => "interrupted",
        _ => return words,
    };
    words.push((ended.to_owned(), package.ended));
    words
}

/// Where a package is in the log: its first byte, and the one after its last.
fn part(package: &Package) -> (u64, u64) {
    let from = package.offset.unwrap_or(0);
    (from, package.end.unwrap_or(from).max(from))
}

fn event(package: &Package, word: &str, at: Option<progress::Millis>) -> Value {
    let (from, end) = part(package);
    let mut more = json!({ "key": package.key, "name": package.title(), "state": word });
    let Some(fields) = more.as_object_mut() else {
        return more;
    };
    if let Some(at) = at.and_then(|at| Timestamp::from_millisecond(at).ok()) {
        fields.insert("at".into(), json!(at.to_string()));
    }
    if word != "started" {
        fields.insert("len".into(), json!(end - from));
    }
    if word == "failed" {
        let error = package.errors.first().map(|note| &note.text);
        fields.insert("error".into(), json!(error.or(package.reason.as_ref())));
        fields.insert("log".into(), json!(package.log));
    }
    more
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobFile, JobId};

    fn line(heartbeat: &str) -> Vec<u8> {
        format!(
            r#"{{"schema":"halolab.job/1","job":"cmd-1-2","state":"running","attempt":1,"heartbeat_at":"{heartbeat}"}}"#
        )
        .into_bytes()
    }

    fn mirror(folder: &std::path::Path) -> Mirror {
        let job = JobFile {
            stuck_minutes: Some(10),
            ..JobFile::default()
        };
        Mirror::create(folder, &JobId::parse("cmd-1-2").unwrap(), job).unwrap()
    }

    fn told(mirror: &Mirror, event: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(mirror.folder().join("events.jsonl")).unwrap();
        let lines = text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        lines.filter(|l| l["ev"] == event).collect()
    }

    #[test]
    fn where_nothing_else_is_told_it_is_told_that_the_job_lives() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = mirror(folder.path());
        let long_ago = r#"{"v":1,"seq":1,"t":"2026-01-01T00:00:00Z","attempt":1,"ev":"start","off":0}"#;
        std::fs::write(mirror.folder().join("events.jsonl"), format!("{long_ago}\n")).unwrap();
        for _ in 0..3 {
            let mut writer = mirror.writer().unwrap().unwrap();
            writer.told(&line("2026-01-01T00:05:00Z")).unwrap();
            writer.told(&line("2026-01-01T00:05:01Z")).unwrap();
        }
        assert_eq!(told(&mirror, "heartbeat").len(), 1);
        assert_eq!(told(&mirror, "start").len(), 1, "it was told before");
    }

    #[test]
    fn silence_is_by_the_clock_of_the_lab_and_told_once_by_whoever_watches() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = mirror(folder.path());
        let at = |text: &str| u64::try_from(text.parse::<Timestamp>().unwrap().as_millisecond()).unwrap();
        let mut writer = mirror.writer().unwrap().unwrap();
        writer.time(0, Some((at("1999-01-01T00:00:00Z"), 5)));
        writer.told(&line("1999-01-01T00:09:59Z")).unwrap();
        assert_eq!(told(&mirror, "warn").len(), 0);
        writer.told(&line("1999-01-01T00:10:00Z")).unwrap();
        drop(writer);
        let mut writer = mirror.writer().unwrap().unwrap();
        writer.told(&line("1999-01-01T00:11:00Z")).unwrap();
        let warnings = told(&mirror, "warn");
        assert_eq!((warnings.len(), &warnings[0]["what"]), (1, &json!("stuck")));
        writer.time(0, Some((at("1999-01-01T00:12:00Z"), 9)));
        writer.told(&line("1999-01-01T00:12:01Z")).unwrap();
        assert_eq!(told(&mirror, "warn")[1]["what"], "alive");
    }
    #[test]
    fn what_ends_after_a_long_silence_is_told_with_its_time_and_learnt_once() {
        let state = tempfile::tempdir().unwrap();
        let jobs = state.path().join("jobs");
        std::fs::create_dir(&jobs).unwrap();
        let mirror = mirror(&jobs);
        let hash = "abcdefghijklmnopqrstuvwxyz234567";
        let begin = format!("==> Installing lab-a-1.0-{hash} [1/1]\n==> lab-a: Executing phase: 'build'\n");
        let end = format!("[+] /opt/store/lab-a-1.0-{hash}\n");
        let (short, long) = (begin.len() as u64, (begin.len() + end.len()) as u64);
        let ms = |text: &str| u64::try_from(text.parse::<Timestamp>().unwrap().as_millisecond()).unwrap();
        let mut writer = mirror.writer().unwrap().unwrap();
        writer.append(begin.as_bytes());
        writer.time(0, Some((ms("2026-01-01T10:00:00Z"), short)));
        writer.told(&line("2026-01-01T10:00:00Z")).unwrap();
        // Its bytes come at once, and its time with the next word of the runner.
        writer.append(end.as_bytes());
        writer.told(&line("2026-01-01T10:39:59Z")).unwrap();
        writer.time(0, Some((ms("2026-01-01T10:40:00Z"), long)));
        writer.told(&line("2026-01-01T10:40:00Z")).unwrap();
        let told = told(&mirror, "pkg");
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(told[0]["at"], "2026-01-01T10:00:00Z");
        assert_eq!(
            (&told[1]["state"], &told[1]["at"]),
            (&json!("installed"), &json!("2026-01-01T10:40:00Z"))
        );
        drop(writer);
        // Who reads all of it again learns nothing else.
        let mut writer = mirror.writer().unwrap().unwrap();
        writer.told(&line("2026-01-01T10:40:01Z")).unwrap();
        let learnt = progress::History::load(&progress::History::path(state.path())).unwrap();
        let totals: Vec<f64> = learnt.builds("lab-a").iter().map(|build| build.total).collect();
        assert_eq!(totals, [2400.0]);
    }

    #[test]
    fn times_are_in_order_and_what_the_lab_tore_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = mirror(folder.path());
        let mut writer = mirror.writer().unwrap().unwrap();
        writer.time(10, Some((5000, 3)));
        writer.time(16, None);
        writer.time(25, Some((33, 2)));
        writer.time(35, Some((4000, 9)));
        writer.time(35, Some((4000, 9)));
        writer.time(45, Some((6000, 9)));
        assert_eq!(writer.cursor(), (0, 45));
        let text = std::fs::read_to_string(mirror.folder().join("log.raw.times")).unwrap();
        assert_eq!(text, "5000 3\n5000 9\n6000 9\n");
        writer
            .told(br#"{"schema":"halolab.job/1","job":"cmd-1-2","state":"running","attempt":0}"#)
            .unwrap();
        drop(writer);
        assert_eq!(
            mirror.writer().unwrap().unwrap().cursor(),
            (0, 45),
            "it is remembered"
        );
    }
}
