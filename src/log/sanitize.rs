//! What of outside text may reach a terminal: letters, and in log lines colours. Nothing else.
//!
//! A state machine reads the bytes, so that a sequence that is cut, nested or never ended is dropped
//! whole instead of leaving debris. Characters that a reader cannot see (bidi controls, zero width,
//! tags) are spelled out as `<U+202E>`, because a name that only looks like another is an attack.
//! Doing it twice gives the same as doing it once.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar as _;
use vte::{Parser, Perform};

/// Bytes of a raw line that are looked at for display.
pub const LINE_BYTES: usize = 64 * 1024;
/// Characters of a text that is no log that are kept; nobody reads a name of a megabyte.
const TEXT_CHARACTERS: usize = 8192;
/// What stands at the end of a text that was cut.
const CUT: &str = "...";
/// Combining marks on one character; more is a drawing attack.
const MARKS: usize = 8;

/// One line of safe text: control functions dropped, line breaks and tabs as spaces.
pub fn sanitize(text: &str) -> String {
    clean(text).into_owned()
}

/// As [`sanitize`], without a copy where nothing has to change.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_CHARACTERS && text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Cow::Borrowed(text);
    }
    let spaced: String = text
        .chars()
        .take(TEXT_CHARACTERS * 8)
        .map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c })
        .collect();
    Cow::Owned(shortened(&plain(spaced.as_bytes()), TEXT_CHARACTERS))
}

/// A text of at most so many characters; where it was cut, its end says so.
pub fn shortened(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let head = text.chars().take(characters.saturating_sub(CUT.len()));
    head.chain(CUT.chars()).collect()
}

/// Safe text of several lines, as an error message: line breaks stay, each line is read on its own.
pub fn sanitize_text(text: &str) -> String {
    let lines: Vec<_> = text
        .split('\n')
        .map(|line| clean(line.strip_suffix('\r').unwrap_or(line)))
        .collect();
    lines.join("\n")
}

/// A line in which nothing is left out: whatever [`sanitize`] would drop or a reader could not see is spelled, so that who
/// must decide about a text sees each character of it. Tabs become spaces.
pub fn spelled_out(line: &str) -> String {
    let mut out = String::new();
    let mut before = None;
    let mut marks = 0;
    for c in line.chars() {
        match shown(c, before, marks) {
            _ if c == '\t' => {
                out.push_str("    ");
                (before, marks) = (Some(' '), 0);
            }
            Shown::Drop | Shown::Spelled(_) => {
                out.push_str(&spelled(c));
                (before, marks) = (Some('>'), 0);
            }
            Shown::Mark(c) => {
                out.push(c);
                marks += 1;
            }
            Shown::Cell(c) => {
                out.push(c);
                (before, marks) = (Some(c), 0);
            }
        }
    }
    out
}

fn plain(bytes: &[u8]) -> String {
    let mut text = Plain::default();
    Parser::new().advance(&mut text, bytes);
    text.out
}

/// Whether a reader could not see this character, or it changes how others are seen.
pub(crate) fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{70f}'
        | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffc}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
        || (u32::from(c) & 0xfffe) == 0xfffe
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
}

/// Joiners and variation selectors are part of emoji; anywhere else they hide something.
fn is_joint(c: char, before: Option<char>) -> bool {
    matches!(c, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}') && before.is_some_and(|b| u32::from(b) >= 0x2190)
}

fn spelled(c: char) -> String {
    format!("<U+{:04X}>", u32::from(c))
}

/// What becomes of one printed character, as both machines below treat it.
pub(super) enum Shown {
    Drop,
    Mark(char),
    Cell(char),
    Spelled(String),
}

pub(super) fn shown(c: char, before: Option<char>, marks: usize) -> Shown {
    if c.is_control() || is_joint(c, before) {
        return Shown::Drop;
    }
    if is_hidden(c) {
        return Shown::Spelled(spelled(c));
    }
    match c.width() {
        Some(0) | None if before.is_none() => Shown::Spelled(spelled(c)),
        Some(0) | None if marks >= MARKS => Shown::Drop,
        Some(0) | None => Shown::Mark(c),
        Some(_) => Shown::Cell(c),
    }
}

#[derive(Default)]
struct Plain {
    out: String,
    before: Option<char>,
    marks: usize,
}

impl Perform for Plain {
    fn print(&mut self, c: char) {
        match shown(c, self.before, self.marks) {
            Shown::Drop => {}
            Shown::Mark(c) => {
                self.out.push(c);
                self.marks += 1;
            }
            Shown::Cell(c) => {
                self.out.push(c);
                self.before = Some(c);
                self.marks = 0;
            }
            Shown::Spelled(text) => {
                self.out.push_str(&text);
                self.before = Some('>');
                self.marks = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{is_hidden, sanitize, spelled_out};

    /// What Unicode itself calls a control, a format character, a separator of lines, or one that is not to be seen. The
    /// few format characters that are drawn around the digits after them are seen.
    fn hidden() -> impl Iterator<Item = char> {
        let class = r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Variation_Selector}\p{Bidi_Control}]";
        let hidden = regex::Regex::new(class).unwrap();
        let seen = regex::Regex::new(r"\p{Prepended_Concatenation_Mark}").unwrap();
        let is = |with: &regex::Regex, c: char| with.is_match(c.encode_utf8(&mut [0; 4]));
        ('\0'..=char::MAX).filter(move |c| is(&hidden, *c) && !is(&seen, *c))
    }

    #[test]
    fn every_character_that_unicode_hides_is_spelled_or_dropped_wherever_it_stands() {
        let all: Vec<char> = hidden().collect();
        assert!(all.len() > 4000, "{}", all.len());
        for c in all {
            assert!(is_hidden(c) || c.is_control(), "U+{:04X}", u32::from(c));
            for text in [
                format!("{c}"),
                format!("a{c}b"),
                format!("\u{1f600}{c}\u{1f600}"),
                format!("{c}{c}"),
            ] {
                let clean = sanitize(&text);
                assert!(!clean.contains(c), "U+{:04X} in {clean:?}", u32::from(c));
                let shown = spelled_out(&text);
                let said = if c == '\t' {
                    "    ".to_owned()
                } else {
                    format!("<U+{:04X}>", u32::from(c))
                };
                assert!(
                    !shown.contains(c) && shown.contains(&said),
                    "U+{:04X} in {shown:?}",
                    u32::from(c)
                );
            }
        }
    }

    #[test]
    fn spelled_out_nothing_is_left_out() {
        let marks = format!("e{}", "\u{301}".repeat(10));
        for (text, wanted) in [
            (
                "echo \u{1f468}\u{200d}\u{1f4bb}",
                "echo \u{1f468}<U+200D>\u{1f4bb}",
            ),
            ("\u{4e2d}\u{fe0f}x", "\u{4e2d}<U+FE0F>x"),
            ("\u{301}a", "<U+0301>a"),
            ("caf\u{e9}", "caf\u{e9}"),
        ] {
            assert_eq!(spelled_out(text), wanted);
            assert_eq!(sanitize(wanted), wanted);
        }
        let shown = spelled_out(&marks);
        assert_eq!(
            shown.matches('\u{301}').count() + shown.matches("<U+0301>").count(),
            10,
            "{shown}"
        );
    }
}
