//! What is stored carries a version: files of a newer and of an older halolab are read, what is not known stays as it
//! is, and a plan that only a newer halolab understands is shown and never carried out.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use halolab::{
    job::{JobFile, Status},
    run::{Entry, Journal, journal, receipt::Keeper},
};

/// A run of this version, of the one before and of the next one.
fn run(folder: &Path, plan: &str, lines: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("plan.json"), plan).unwrap();
    fs::write(folder.join("journal.jsonl"), lines.join("\n") + "\n").unwrap();
}

fn plan(version: u32, step: &str, more: &str) -> String {
    format!(
        r#"{{"version":{version},{more}"host":[],"labs":[{{"lab":"mini-lab","stage":"mini-lab","choice":"update","actions":[
        {{"id":"mini-lab/a","sentence":"do it","command":"x","destroys":null,"undo":"nothing","seconds":1,"step":{step}}}],
        "loses":[],"keeps":[]}}]}}"#
    )
}

#[test]
fn plans_and_journals_of_other_versions_are_read_and_a_newer_plan_is_not_carried_out() {
    let state = tempfile::tempdir().unwrap();
    let runs = state.path().join("runs");
    let opened = r#"{"v":2,"ts":"2027-01-01T00:00:00Z","entry":"opened","digest":"d","pid":1,"more":[1]}"#;
    let strange = r#"{"v":2,"ts":"2027-01-01T00:00:00Z","entry":"teleported","id":"mini-lab/a"}"#;
    let finished = r#"{"v":2,"ts":"2027-01-01T00:00:00Z","entry":"finished","id":"mini-lab/a","skipped":false,"more":1}"#;
    run(
        &runs.join("3-new"),
        &plan(2, r#"{"teleport":{"to":"moon"}}"#, r#""more":1,"#),
        &[opened, strange, finished],
    );
    let old = r#"{"v":0,"ts":"2025-01-01T00:00:00Z","entry":"opened","digest":"d","pid":1}"#;
    let power = r#"{"wait-network":{"name":"mini-lab","seconds":1}}"#;
    run(
        &runs.join("1-old"),
        &plan(0, power, ""),
        &[old, r#"{"v":0,"ts":"","entry":"closed","code":5}"#],
    );

    let found = journal::records(&runs);
    let ids: Vec<&str> = found.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["3-new", "1-old"]);
    assert_eq!(
        (found[0].finished, found[0].plan.version, found[0].code),
        (1, 2, None)
    );
    assert!(
        serde_json::to_string(&found[0].plan).unwrap().contains("moon"),
        "it can be looked at"
    );
    assert_eq!((found[1].plan.version, found[1].code), (0, Some(5)));

    // What is added leaves what is there, to the byte.
    let path = runs.join("3-new/journal.jsonl");
    let before = fs::read_to_string(&path).unwrap();
    Journal::open(&runs.join("3-new"))
        .unwrap()
        .write(Entry::Closed { code: 5 })
        .unwrap();
    assert!(fs::read_to_string(&path).unwrap().starts_with(&before));
    let kept = fs::read_to_string(runs.join("3-new/plan.json")).unwrap();
    assert!(kept.contains("teleport") && kept.contains("\"more\":1"));
}

#[tokio::test]
async fn a_plan_of_a_newer_halolab_is_refused_by_the_runner() {
    use halolab::{
        backend::{Backend, fake::Fake},
        run::{Context, StopCode, apply},
    };
    use std::sync::Arc;
    let state = tempfile::tempdir().unwrap();
    let runs = state.path().join("runs");
    run(
        &runs.join("new"),
        &plan(2, r#"{"teleport":{"to":"moon"}}"#, ""),
        &[],
    );
    let record = journal::record(&runs.join("new")).unwrap();
    let fake = Arc::new(Fake::new());
    let given = Arc::clone(&fake);
    let (events, _heard) = tokio::sync::mpsc::unbounded_channel();
    let cx = Context {
        connect: Arc::new(move |_| {
            let fake = Arc::clone(&given) as Arc<dyn Backend>;
            Box::pin(async move { Ok(fake) })
        }),
        runs,
        cache: state.path().join("cache"),
        secrets: std::collections::BTreeMap::new(),
        events,
        cancel: tokio_util::sync::CancellationToken::new(),
        stop_code: StopCode::default(),
    };
    let ended = apply(&record.plan, "new", &cx).await;
    assert_eq!(ended.code, 3);
    assert!(ended.summary[0].contains("newer halolab"), "{:?}", ended.summary);
    assert_eq!(fake.changes(), 0);
}

#[test]
fn jobs_of_other_versions_are_read_and_keep_what_is_not_known() {
    let line = |version: u32| {
        format!(
            r#"{{"schema":"halolab.job/{version}","job":"j-1","kind":"j","container":"lab","state":"running","attempt":1,"new":{{"a":1}}}}"#
        )
    };
    for version in [0, 1, 2] {
        let status = Status::parse(line(version).as_bytes(), "j-1").unwrap();
        let written = serde_json::to_value(&status).unwrap();
        assert_eq!(written["new"]["a"], 1);
        assert_eq!(written["schema"], format!("halolab.job/{version}"));
        let text =
            format!(r#"{{"schema":"halolab.job/{version}","job":"j-1","lab":"lab","argv":["a"],"new":[2]}}"#);
        let job: JobFile = serde_json::from_str(&text).unwrap();
        assert_eq!((job.lab.as_str(), job.uuid.as_str()), ("lab", ""));
        assert_eq!(serde_json::to_value(&job).unwrap()["new"][0], 2);
    }
    assert!(Status::parse(br#"{"schema":"other/1","job":"j-1","state":"running"}"#, "j-1").is_none());
}

#[test]
fn receipts_of_other_versions_are_read() {
    for version in [0, 2] {
        let state = tempfile::tempdir().unwrap();
        let text = format!(r#"{{"version":{version},"entries":[],"new":{{"a":1}}}}"#);
        fs::write(state.path().join("receipt.json"), text).unwrap();
        let keeper = Keeper::new(state.path(), state.path());
        let read = keeper.read().unwrap();
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(
            (&written["version"], &written["new"]["a"]),
            (&version.into(), &1.into())
        );
    }
}
