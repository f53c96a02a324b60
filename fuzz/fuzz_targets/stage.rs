//! Stage files: read or refused with the place of the mistake, and what is read can be shown and resolved.

#![no_main]

use std::collections::BTreeMap;

use halolab::{
    host::Facts,
    stage::{Answers, answers, condition::Condition, given, load, report, size},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Err(error) = Condition::parse(text) {
        assert!(error.offset <= text.len());
    }
    let _ = size::parse(text);
    let files = BTreeMap::from([("a.sh".to_owned(), text.to_owned())]);
    match load::parse("fuzz.toml", text, files) {
        Err(error) => {
            let words = error.to_string();
            assert!(!words.chars().any(|c| c.is_control() && c != '\n'), "{words:?}");
            assert!(error.problems.iter().all(|p| p.line > 0 || p.file != "fuzz.toml"), "{words}");
        }
        Ok(stage) => {
            let shown = report::show(&stage);
            assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
            let facts = Facts::new();
            let _ = given::parse_set(&stage, "a=b");
            if let Ok(answers) = answers::resolve(&stage, &Answers::new(), &facts) {
                given::export(&[("lab", &stage, &answers)]);
            }
        }
    }
});
