//! Secrets out of text that others may see: what looks like one, and values that are known to be one.

use std::{borrow::Cow, sync::LazyLock};

use regex::Regex;

/// What stands for a secret.
pub const HIDDEN: &str = "[redacted]";
/// A known value that is shorter is in too many words to be looked for.
const SHORTEST: usize = 4;

/// What looks like a secret: the first group stays, the rest of the match goes.
const PATTERNS: &[&str] = &[
    // a private key, to its end or the end of the text
    r"(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
    // user and password in a URL; the second group stays, too
    r"(?i)([a-z][a-z0-9+.-]*://)[^/\s:@']+:[^/\s@']+(@)",
    // headers
    r#"(?i)((?:authorization|proxy-authorization|x-api-key|cookie|set-cookie)["']?\s*[:=]\s*)[^\r\n"']+"#,
    r"(?i)(\bbearer\s+)[a-z0-9._~+/=-]{8,}",
    // name = value, however the name is made up
    r#"(?i)((?:[a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)s?[a-z0-9_.-]*)["']?\s*(?:=|:|\s=>)\s*["']?)[^\s"',;&}]{3,}"#,
    // what services give out
    r"()\b(?:hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|sk-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|AKIA[0-9A-Z]{16}|nvapi-[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,})",
];

/// The patterns are ours: a test shows that each can be used.
static LOOKS: LazyLock<Vec<Regex>> =
    LazyLock::new(|| PATTERNS.iter().filter_map(|p| Regex::new(p).ok()).collect());

/// A text without its secrets: known values first, then what looks like one.
pub fn text(text: &str, known: &[String]) -> String {
    let mut text = Cow::Borrowed(text);
    for value in known.iter().filter(|value| value.len() >= SHORTEST) {
        if text.contains(value.as_str()) {
            text = Cow::Owned(text.replace(value.as_str(), HIDDEN));
        }
    }
    let hidden = format!("${{1}}{HIDDEN}${{2}}");
    for look in LOOKS.iter() {
        if let Cow::Owned(changed) = look.replace_all(&text, &hidden) {
            text = Cow::Owned(changed);
        }
    }
    text.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_goes_and_the_rest_stays() {
        assert_eq!(LOOKS.len(), PATTERNS.len());
        let cases = [
            (
                "export HF_TOKEN=hf_AbCdEfGhIjKlMnOpQrSt",
                "export HF_TOKEN=[redacted]",
            ),
            ("password: hunter2", "password: [redacted]"),
            (
                r#"{"api_key": "abc123def", "n": 1}"#,
                r#"{"api_key": "[redacted]", "n": 1}"#,
            ),
            (
                "git clone https://me:s3cret@example.org/x",
                "git clone https://[redacted]@example.org/x",
            ),
            ("Authorization: Basic dXNlcjpwYXNz", "Authorization: [redacted]"),
            ("got ghp_0123456789abcdefghij0123 back", "got [redacted] back"),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\nnext",
                "-----BEGIN OPENSSH PRIVATE KEY-----[redacted]\nnext",
            ),
            ("Unable to locate package token", "Unable to locate package token"),
            ("the secret is given as a file", "the secret is given as a file"),
        ];
        for (given, wanted) in cases {
            assert_eq!(text(given, &[]), wanted);
        }
    }

    #[test]
    fn known_values_go_wherever_they_stand_and_doing_it_again_changes_nothing() {
        let once = text(
            "say canary-1 and xcanary-1x, no",
            &["canary-1".into(), "no".into()],
        );
        assert_eq!(once, "say [redacted] and x[redacted]x, no");
        for given in [
            "TOKEN=abcdef",
            "https://a:b@c/",
            "Bearer abcdefghij",
            "password: x1y2",
        ] {
            let once = text(given, &[]);
            assert_eq!(text(&once, &[]), once);
        }
    }
}
