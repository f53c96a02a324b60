//! Secrets out of text that others may see: what looks like one, and values that are known to be one.

use std::{borrow::Cow, cmp::Reverse, sync::LazyLock};

use regex::Regex;
use serde_json::Value;

use super::sanitize_text;

/// What stands for a secret.
pub const HIDDEN: &str = "[redacted]";
/// A known value that is shorter is in too many words to be looked for.
const SHORTEST: usize = 4;
/// As [`SHORTEST`], for one line of a value of several.
const SHORTEST_LINE: usize = 8;
/// Under this name plans and journals list which secrets were given, never their values.
const LIST_OF_NAMES: &str = "secrets";

/// What is in the name of a secret.
macro_rules! names {
    () => {
        r"(?:password|passwd|passphrase|[_-]pass\b|secret|token|[_-]key\b|apikey|accesskey|privatekey|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization|cookie)"
    };
}

/// A pattern of what comes after `name =`, however the name is made up; it ends the first group.
macro_rules! named {
    ($value:literal) => {
        concat!(
            "(?i)(",
            names!(),
            r#"[a-z0-9_.-]*\\*["']?\s*(?:=+>?|:=?)\s*"#,
            $value
        )
    };
}

/// A pattern of the value of an option `--name VALUE`, also where both are strings of a list.
macro_rules! option {
    ($value:literal) => {
        concat!(
            r"(?i)((?:^|[^a-z0-9])--?(?:[a-z0-9_.]+-)*",
            names!(),
            r"(?:-[a-z0-9_.]+)*",
            $value
        )
    };
}

/// What looks like a secret: the first group stays, the rest of the match goes.
const PATTERNS: &[&str] = &[
    // a private key, to its end or the end of the text; one that was hidden before ends there
    r"(?s)(-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)(?:\[redacted\]|.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z))",
    // the rest of one whose beginning was cut off: only such an end is left by the pattern above
    r"(?s)()\A.*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
    // user and password in a URL; the second group stays, too
    r"(?i)([a-z][a-z0-9+.-]*://)[^/\s:@']+:[^/\s@']+(@)",
    // a token alone in a URL
    r"(?i)(https?://)[^/\s:@'\[\]]{8,}(@)",
    // what clients are given: user and password, and a password
    r#"(?i)(\bcurl\b[^\r\n|;]*?\s(?:-u|--user)[ =]?["']?)[^\s"':]+:[^\s"']+"#,
    r#"(?i)(\bsshpass\s+-p\s*["']?)[^\s"']+"#,
    // name = "value", to the closing quote or the end of the line; also b"value" and Some("value")
    named!(r#"(?:\$|[a-z]{0,16}\(|[bru]{1,2})?")(?:\\[^\r\n]|[^"\\\r\n])+"#),
    // as above in single quotes, in which a shell, YAML and Python write a quote each in its own way
    named!(r#"(?:\$|[a-z]{0,16}\(|[bru]{1,2})?')(?:'\\''|'"'"'|''|\\[^\r\n]|[^'\\\r\n])+"#),
    // as above in JSON that is itself in quotes, once and more often
    named!(r#"\\")(?:\\\\(?:\\["\\]|[^"\\\r\n])|\\[^"\\\r\n]|[^"\\\r\n])+"#),
    named!(r#"\\{2,}")[^"\r\n]+"#),
    named!(r"\\+')[^'\r\n]+"),
    // headers, whose values have several parts
    r#"(?i)((?:authorization|x-api-key|cookie)\\*["']?\s*[:=]\s*)[^\s"'\\](?:="[^"\r\n]*"|[^\r\n"'])*"#,
    r"(?i)(\bbearer\s+)[a-z0-9._~+/=-]{8,}",
    // name = value, to the next space
    named!(r#")(?:\\+[^\s"'\\]|[^\s"'\\])(?:\\[^\r\n]|\S){2,}"#),
    // an option and its value, to the closing quote, the next string of a list, or the next space
    option!(r#"[ \t]+")(?:\\[^\r\n]|[^"\\\r\n])+"#),
    option!(r#"[ \t]+')[^'\r\n]+"#),
    option!(r#"\\*["'],\s*\\*["'])[^"'\\\r\n]+"#),
    option!(r#"[ \t]+)[^\s"'\\-]\S{2,}"#),
    // what services give out
    r"()\b(?:hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|sk-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|AKIA[0-9A-Z]{16}|nvapi-[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,})",
];

/// The patterns are ours: a test shows that each can be used.
static LOOKS: LazyLock<Vec<Regex>> =
    LazyLock::new(|| PATTERNS.iter().filter_map(|p| Regex::new(p).ok()).collect());

/// What is in the name of a secret; ours, too.
static NAMES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(concat!("(?i)", names!())).ok());

/// A text without its secrets: known values first, then what looks like one.
pub fn text(text: &str, values: &[String]) -> String {
    let mut text = known(text, values);
    let hidden = format!("${{1}}{HIDDEN}${{2}}");
    for look in LOOKS.iter() {
        if let Cow::Owned(changed) = look.replace_all(&text, &hidden) {
            text = Cow::Owned(changed);
        }
    }
    text.into_owned()
}

/// A text without known values.
pub fn known<'a>(text: &'a str, values: &[String]) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for form in forms(values) {
        if text.contains(form.as_str()) {
            text = Cow::Owned(text.replace(form.as_str(), HIDDEN));
        }
    }
    text
}

/// A JSON value of which each string went through a function, and what has the name of a secret is hidden.
pub fn json(value: Value, clean: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(clean(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| json(item, clean)).collect()),
        Value::Object(fields) => {
            let field = |(name, value): (String, Value)| {
                let value = if names_secret(&name, &value) {
                    hidden(value, clean)
                } else {
                    json(value, clean)
                };
                (clean(&name), value)
            };
            Value::Object(fields.into_iter().map(field).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// Whether what has this name is a secret.
fn names_secret(name: &str, value: &Value) -> bool {
    let is_list = || {
        let items = value.as_array();
        name == LIST_OF_NAMES && items.is_some_and(|items| items.iter().all(Value::is_string))
    };
    NAMES.as_ref().is_some_and(|names| names.is_match(name)) && !is_list()
}

/// A secret without what it says; that there is none still shows.
fn hidden(value: Value, clean: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::String(text),
        Value::String(_) | Value::Number(_) => Value::String(HIDDEN.to_owned()),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| hidden(item, clean)).collect()),
        Value::Object(fields) => {
            let field = |(name, value): (String, Value)| (clean(&name), hidden(value, clean));
            Value::Object(fields.into_iter().map(field).collect())
        }
        Value::Null | Value::Bool(_) => value,
    }
}

/// How known values may be written: as they are, made safe, as in JSON, and each line alone. The longest come first, as
/// one may be a part of another.
fn forms(values: &[String]) -> Vec<String> {
    let mut forms: Vec<String> = vec![];
    for value in values.iter().filter(|value| value.len() >= SHORTEST) {
        for form in [value.clone(), sanitize_text(value)] {
            // The first and the last line of a key are in every key, and the patterns need them.
            let lines = form.lines().map(str::trim);
            let lines = lines.filter(|line| line.len() >= SHORTEST_LINE && !line.starts_with("-----"));
            forms.extend(lines.map(str::to_owned));
            forms.extend(escaped(&form));
            forms.push(form);
        }
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms.sort_unstable_by_key(|form| Reverse(form.len()));
    forms
}

/// A text as it is between the quotes of JSON.
fn escaped(text: &str) -> Option<String> {
    let quoted = serde_json::to_string(text).ok()?;
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_goes_and_the_rest_stays() {
        assert_eq!(LOOKS.len(), PATTERNS.len());
        assert!(NAMES.is_some());
        let cases = [
            (
                "export HF_TOKEN=hf_AbCdEfGhIjKlMnOpQrSt",
                "export HF_TOKEN=[redacted]",
            ),
            ("password: hunter2", "password: [redacted]"),
            (
                "DB_PASS=hunter2 WANDB_KEY=abcdef",
                "DB_PASS=[redacted] WANDB_KEY=[redacted]",
            ),
            (
                "tests passed: 12345, keys: three",
                "tests passed: 12345, keys: three",
            ),
            (
                "curl -fsS -u me:pw4x https://x",
                "curl -fsS -u [redacted] https://x",
            ),
            ("sshpass -p letmein ssh", "sshpass -p [redacted] ssh"),
            (
                "git clone https://0123456789abcdef@example.org/x",
                "git clone https://[redacted]@example.org/x",
            ),
            (
                "git clone ssh://git@example.org/x",
                "git clone ssh://git@example.org/x",
            ),
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
    fn the_value_of_an_option_goes_too() {
        let cases = [
            (
                "curl --password hunter2 --user me",
                "curl --password [redacted] --user me",
            ),
            ("x --api-key 'two words' y", "x --api-key '[redacted]' y"),
            ("x --lxd-token \"two words\" y", "x --lxd-token \"[redacted]\" y"),
            (
                r#"["--db-password", "hunter2", "-v"]"#,
                r#"["--db-password", "[redacted]", "-v"]"#,
            ),
            ("ran --token-file --quiet", "ran --token-file --quiet"),
            ("the option --password", "the option --password"),
            ("pre-password reset", "pre-password reset"),
        ];
        for (given, wanted) in cases {
            assert_eq!(text(given, &[]), wanted);
            assert_eq!(text(wanted, &[]), wanted);
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

    #[test]
    fn a_value_goes_to_its_closing_quote_or_to_the_next_space() {
        let cases = [
            (
                r#"passphrase: "correct horse battery" next"#,
                r#"passphrase: "[redacted]" next"#,
            ),
            (r"password = 'it'\''s mine' next", "password = '[redacted]' next"),
            (
                r#"{"password":"a\"b c","n":1}"#,
                r#"{"password":"[redacted]","n":1}"#,
            ),
            ("PASSWORD=abc,def;ghi&jkl} next", "PASSWORD=[redacted] next"),
            ("token: \"never closed here\nnext", "token: \"[redacted]\nnext"),
            (r#"token: "" next"#, r#"token: "" next"#),
            (
                r#"password: Some("correct horse") next"#,
                "password: [redacted] next",
            ),
            (
                r#"{\"password\": \"hunter2 \\\"x\\\" y\", \"n\": 1}"#,
                r#"{\"password\": \"[redacted]\", \"n\": 1}"#,
            ),
            (
                r#"Authorization: Digest username="me", response="abc""#,
                "Authorization: [redacted]",
            ),
            (
                r#"{"authorization": "Basic dXNlcjpwYXNz", "n": 1}"#,
                r#"{"authorization": "[redacted]", "n": 1}"#,
            ),
        ];
        for (given, wanted) in cases {
            assert_eq!(text(given, &[]), wanted);
            assert_eq!(text(wanted, &[]), wanted);
        }
    }

    #[test]
    fn a_key_whose_beginning_was_cut_off_goes_and_what_follows_a_whole_one_stays() {
        let end = "-----END OPENSSH PRIVATE KEY-----";
        let rest = text(&format!("AAAAb3BlbnNz\nbbbb\n{end}\nnext"), &[]);
        assert_eq!(rest, "[redacted]\nnext");
        let whole = format!("before\n-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n{end}\nnext");
        let once = text(&whole, &[]);
        assert_eq!(
            once,
            "before\n-----BEGIN OPENSSH PRIVATE KEY-----[redacted]\nnext"
        );
        assert_eq!(text(&once, &[]), once);
    }

    #[test]
    fn known_values_go_however_they_are_written() {
        let values = ["a\"b\\c\nsecond line".to_owned(), "abcd".into(), "abcdef".into()];
        let cases = [
            ("x a\"b\\c\nsecond line y", "x [redacted] y"),
            (r#"x a\"b\\c\nsecond line y"#, "x [redacted] y"),
            ("x second line y", "x [redacted] y"),
            ("abcdef abcd", "[redacted] [redacted]"),
        ];
        for (given, wanted) in cases {
            assert_eq!(text(given, &values), wanted);
        }
    }

    #[test]
    fn in_json_what_has_the_name_of_a_secret_goes_and_lists_of_names_stay() {
        let given = serde_json::json!({
            "Password": "a", "api_key": ["b", {"c": "d"}], "HF_TOKEN": 12, "secret": "", "token": null,
            "secrets": ["lab/token"], "said": {"deep": ["password: \"x y\""]}, "n": 5,
        });
        let wanted = serde_json::json!({
            "Password": HIDDEN, "api_key": [HIDDEN, {"c": HIDDEN}], "HF_TOKEN": HIDDEN, "secret": "", "token": null,
            "secrets": ["lab/token"], "said": {"deep": ["password: \"[redacted]\""]}, "n": 5,
        });
        assert_eq!(json(given, &|string| text(string, &[])), wanted);
    }
}
