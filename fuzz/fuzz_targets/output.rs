//! What Docker's builder writes: the same events wherever it is cut, and no words of it drive a terminal.

#![no_main]

use halolab::backend::docker::{BuildEvent, fuzzed::build};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.first().map_or(0, |b| usize::from(*b));
    let text = String::from_utf8_lossy(bytes);
    let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (one, two) = text.split_at(at);
    let (whole, failed) = build(&[&text]);
    assert_eq!((&whole, &failed), (&build(&[one, two]).0, &build(&[one, two]).1), "wherever it is cut");
    assert!(!failed.chars().any(char::is_control), "{failed:?}");
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).count();
    assert_eq!(whole.len(), lines, "an event a line");
    for event in whole {
        match event {
            BuildEvent::Step { text, .. } => assert!(!text.chars().any(char::is_control), "{text:?}"),
            BuildEvent::Output(line) => assert!(text.as_bytes().windows(line.len()).any(|piece| piece == line)),
            BuildEvent::Cached => {}
        }
    }
});
