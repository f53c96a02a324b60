//! What came out of many tries, as a table and as lines of JSON in `target/faults.jsonl`, or where
//! `HALOLAB_TEST_FAULTS` says.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};

/// What a try came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// The moment never came.
    NotHit,
    /// The engine's own record is broken, and the command that mends it was said and mends it.
    Named,
    /// Something of the user's is gone.
    Lost,
    /// Something is left over.
    Orphan,
    /// All is there, and something of it is not as it should be.
    Differs,
    /// It does not go on.
    Stuck,
    /// It did not end in its time.
    Hung,
    /// It said that all is well, and it is not; or it failed and said nothing.
    Lied,
}

/// One try.
#[derive(Clone, Debug)]
pub struct Row {
    pub scenario: String,
    /// Which fault, where.
    pub point: String,
    pub verdict: Verdict,
    pub notes: Vec<String>,
    pub seconds: f32,
}

impl Row {
    fn line(&self) -> String {
        let notes = self.notes.join("; ");
        format!("{:?} {} {}: {notes}", self.verdict, self.scenario, self.point)
    }
}

/// All tries of a test.
pub struct Table {
    name: &'static str,
    file: PathBuf,
    rows: Mutex<Vec<Row>>,
    /// Nothing left to try is no failure.
    may_be_empty: AtomicBool,
}

impl Table {
    pub fn new(name: &'static str) -> Self {
        let target = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/faults.jsonl");
        Self {
            name,
            file: env::var_os("HALOLAB_TEST_FAULTS").map_or_else(target, PathBuf::from),
            rows: Mutex::default(),
            may_be_empty: AtomicBool::new(false),
        }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Nothing left to try is no failure.
    pub fn may_be_empty(&self) {
        self.may_be_empty.store(true, Ordering::Relaxed);
    }

    /// Scenario and point of all tries of this test whose last line in the file is a clean one.
    pub fn clean(&self) -> BTreeSet<(String, String)> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let mut clean = BTreeSet::new();
        // The last line may be cut.
        for line in text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        {
            let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            if word("test") != self.name {
                continue;
            }
            let key = (word("scenario"), word("point"));
            if ["Ok", "Named"].contains(&word("verdict").as_str()) {
                clean.insert(key);
            } else {
                clean.remove(&key);
            }
        }
        clean
    }

    /// Writes one try down at once: a run of hours that is stopped has not been for nothing.
    pub fn add(&self, row: Row) {
        let line = json!({
            "test": self.name, "scenario": row.scenario, "point": row.point,
            "verdict": format!("{:?}", row.verdict), "notes": row.notes, "seconds": row.seconds,
            "at": jiff::Timestamp::now().to_string(),
        });
        let file = OpenOptions::new().create(true).append(true).open(&self.file);
        writeln!(file.unwrap(), "{line}").unwrap();
        if row.verdict != Verdict::Ok {
            println!("{}", row.line());
        }
        self.rows.lock().unwrap().push(row);
    }

    /// The table, and a failure where anything but `Ok`, `NotHit` and `Named` is in it, or nothing at all.
    pub fn end(&self) {
        let rows = self.rows.lock().unwrap();
        let mut counts: BTreeMap<&str, BTreeMap<Verdict, usize>> = BTreeMap::new();
        for row in rows.iter() {
            *counts
                .entry(&row.scenario)
                .or_default()
                .entry(row.verdict)
                .or_default() += 1;
            *counts.entry("all").or_default().entry(row.verdict).or_default() += 1;
        }
        let mut text = format!(
            "{}\n{:<16} {:>6} {:>9} {:>7} {:>6} {:>5} {:>7} {:>7} {:>6} {:>5} {:>5}\n",
            self.name,
            "scenario",
            "points",
            "recovered",
            "not hit",
            "mended",
            "lost",
            "orphans",
            "differs",
            "stuck",
            "hung",
            "lied"
        );
        for (scenario, by) in &counts {
            let count = |verdict: Verdict| by.get(&verdict).copied().unwrap_or(0);
            writeln!(
                text,
                "{scenario:<16} {:>6} {:>9} {:>7} {:>6} {:>5} {:>7} {:>7} {:>6} {:>5} {:>5}",
                by.values().sum::<usize>(),
                count(Verdict::Ok),
                count(Verdict::NotHit),
                count(Verdict::Named),
                count(Verdict::Lost),
                count(Verdict::Orphan),
                count(Verdict::Differs),
                count(Verdict::Stuck),
                count(Verdict::Hung),
                count(Verdict::Lied)
            )
            .unwrap();
        }
        println!("{text}");
        let bad = rows
            .iter()
            .filter(|r| !matches!(r.verdict, Verdict::Ok | Verdict::NotHit | Verdict::Named));
        let bad: Vec<_> = bad.map(Row::line).collect();
        let tried = !rows.is_empty() || self.may_be_empty.load(Ordering::Relaxed);
        assert!(tried, "nothing was tried");
        assert!(bad.is_empty(), "{text}\n{}", bad.join("\n"));
    }
}
