//! Outside text on its way to a terminal: no control function gets through, and cleaning twice is cleaning once.

#![no_main]

use std::sync::LazyLock;

use halolab::log::{redact, row, sanitize, sanitize_line, sanitize_text, severity, spelled_out, strip};
use libfuzzer_sys::fuzz_target;
use ratatui::style::Style;
use regex::Regex;

/// What Unicode itself says of characters that no reader sees; a list that is not the sanitiser's own.
static HIDDEN: LazyLock<Regex> = LazyLock::new(|| {
    let class = r"[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Variation_Selector}\p{Bidi_Control}]--\p{Prepended_Concatenation_Mark}]";
    Regex::new(class).expect("a class of characters")
});

fn is_safe(text: &str) -> bool {
    text.is_ascii() && !text.contains(|c: char| c.is_ascii_control()) || !HIDDEN.is_match(text)
}

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let clean = sanitize(&text);
    assert!(is_safe(&clean), "{clean:?}");
    assert_eq!(sanitize(&clean), clean);
    let told = spelled_out(&text);
    assert!(is_safe(&told), "{told:?}");
    assert!(told.chars().count() >= text.chars().count(), "nothing is left out");
    let lines = sanitize_text(&text);
    assert!(lines.split('\n').all(is_safe), "{lines:?}");
    assert_eq!(sanitize_text(&lines), lines);
    for line in bytes.split(|b| *b == b'\n') {
        for span in sanitize_line(line).spans {
            assert!(is_safe(&span.content), "{:?}", span.content);
        }
        let row = row::decode(line, row::style_after(bytes, Style::default()), 200);
        assert!(is_safe(&row.text), "{:?}", row.text);
        assert!(row.styles.iter().all(|(end, _)| row.text.is_char_boundary(*end)));
    }
    let mut stripped = vec![];
    strip::strip(bytes, &mut stripped);
    let breaks = |bytes: &[u8]| bytes.iter().filter(|b| **b == b'\n').count();
    assert_eq!(breaks(&stripped), breaks(bytes), "lines keep their numbers");
    let _ = severity(bytes);
    // What was hidden once stays hidden.
    let hidden = redact::text(&text, &["hunter22".to_owned()]);
    assert!(!hidden.contains("hunter22"), "{hidden:?}");
});
