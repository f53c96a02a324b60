//! Stages of others: who reads one before trusting it sees each character of what would run. Before the first zero byte is
//! what was trusted, behind it what is asked about.

#![no_main]

use halolab::{
    log::sanitize,
    stage::trust::shown,
};
use libfuzzer_sys::fuzz_target;

/// The text that was spelled out.
fn read_back(shown: &str) -> String {
    let mut text = String::new();
    let mut rest = shown;
    while let Some(at) = rest.find("<U+") {
        text.push_str(&rest[..at]);
        let (code, after) = rest[at + 3..].split_once('>').expect("it ends");
        text.push(u32::from_str_radix(code, 16).ok().and_then(char::from_u32).expect("a character"));
        rest = after;
    }
    text + rest
}

fn without_tabs(text: &str) -> String {
    text.replace('\t', "    ")
}

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |b| *b == 0);
    let mut text = || std::str::from_utf8(parts.next().unwrap_or_default());
    let (Ok(before), Ok(script)) = (text(), text()) else {
        return;
    };
    // Who writes the spelling itself into a script is read as having written the character.
    if script.contains("<U") || before.contains("<U") {
        return;
    }
    let lines = shown(None, "x", script);
    let seen: Vec<String> = lines.iter().map(|line| sanitize(line)).collect();
    let body = seen.iter().take_while(|line| line.as_str() != "==> stage.toml").skip(1);
    let told = read_back(&body.map(|line| &line[4..]).collect::<String>());
    assert_eq!(told, without_tabs(&script.replace('\n', "")), "nothing is left out");
    let lines = shown(Some(("x", before)), "x", script);
    assert_eq!(lines.is_empty(), before == script, "a change is seen");
    let told: Vec<String> = lines.iter().map(|line| sanitize(line)).collect();
    let all = read_back(&told.concat());
    for line in script.split('\n').filter(|line| !line.contains('\r') && !before.split('\n').any(|old| old == *line)) {
        assert!(all.contains(&without_tabs(line)), "{line:?} in {told:?}");
    }
});
