//! Logs of builds: the same tree wherever the bytes are cut, and nothing of them drives a terminal.

#![no_main]

use halolab::progress::{Fold, History};
use libfuzzer_sys::fuzz_target;

fn fold(pieces: &[&[u8]], times: &str) -> Fold {
    let mut fold = Fold::default();
    fold.read_times(times);
    let mut at = 0;
    for piece in pieces {
        fold.feed(at, piece);
        at += piece.len() as u64;
    }
    fold
}

fuzz_target!(|bytes: &[u8]| {
    let cut = bytes.first().map_or(0, |b| usize::from(*b)).min(bytes.len());
    let (one, two) = bytes.split_at(cut);
    let times = format!("1000 {cut}\n2000 {}\n", bytes.len());
    let whole = fold(&[bytes], &times);
    let mut cut = fold(&[one, two], &times);
    let names = |fold: &Fold| format!("{:?}", fold.tree().packages());
    assert_eq!(names(&whole), names(&cut), "wherever it is cut");
    let history = History::default();
    let text = cut.summary(&history).text();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    let _ = cut.left(&history, Some(3000));
    cut.ended(Some(1), false);
    let _ = cut.summary(&history);
    let mut learned = History::default();
    learned.learn(cut.tree(), Some(2));
});
