//! What came out of many tries, as a table and as lines of JSON in `target/`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Mutex,
};

use serde_json::json;

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

/// All tries of a test.
pub struct Table {
    name: &'static str,
    file: PathBuf,
    rows: Mutex<Vec<Row>>,
}

impl Table {
    pub fn new(name: &'static str) -> Self {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
        Self {
            name,
            file: target.join("faults.jsonl"),
            rows: Mutex::default(),
        }
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
            println!(
                "{:?} {} {}: {}",
                row.verdict,
                row.scenario,
                row.point,
                row.notes.join("; ")
            );
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
        let bad: Vec<_> = bad
            .map(|r| {
                format!(
                    "{:?} {} {}: {}",
                    r.verdict,
                    r.scenario,
                    r.point,
                    r.notes.join("; ")
                )
            })
            .collect();
        assert!(!rows.is_empty(), "nothing was tried");
        assert!(bad.is_empty(), "{text}\n{}", bad.join("\n"));
    }
}
