//! `.dockerignore`: read or refused, and plain patterns leave out what Docker's own matcher would. Before the first zero
//! byte is the file, behind it a path.

#![no_main]

use halolab::backend::docker::fuzzed::leaves_out;
use libfuzzer_sys::fuzz_target;

/// Whether a pattern of `*`, `**` and `?` matches all of a path, letter by letter.
fn matches(glob: &[char], path: &[char]) -> bool {
    let any = |rest: &[char], stop: &dyn Fn(char) -> bool| {
        let far = path.iter().position(|c| stop(*c)).unwrap_or(path.len());
        (0..=far).any(|at| matches(rest, &path[at..]))
    };
    match glob {
        [] => path.is_empty(),
        ['*', '*', '/', rest @ ..] => {
            let below = (1..=path.len()).filter(|at| path[at - 1] == '/');
            matches(rest, path) || below.into_iter().any(|at| matches(rest, &path[at..]))
        }
        ['*', '*', rest @ ..] => any(rest, &|_| false),
        ['*', rest @ ..] => any(rest, &|c| c == '/'),
        ['?', rest @ ..] => path.first().is_some_and(|c| *c != '/') && matches(rest, &path[1..]),
        [c, rest @ ..] => path.first() == Some(c) && matches(rest, &path[1..]),
    }
}

/// Whether the last line that matches a path, or a folder that it is in, leaves it out.
fn expected(text: &str, path: &str) -> bool {
    let path: Vec<char> = path.chars().collect();
    let mut out = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (line, keep) = line.strip_prefix('!').map_or((line, false), |line| (line, true));
        let line = line.trim().trim_matches('/');
        let glob: Vec<char> = line.strip_prefix("./").unwrap_or(line).chars().collect();
        let ends = (0..=path.len()).filter(|at| *at == path.len() || path[*at] == '/');
        if ends.into_iter().any(|at| matches(&glob, &path[..at])) {
            out = !keep;
        }
    }
    out
}

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |b| *b == 0);
    let mut text = || std::str::from_utf8(parts.next().unwrap_or_default());
    let (Ok(text), Ok(path)) = (text(), text()) else {
        return;
    };
    let said = leaves_out(text, path);
    let plain = |c: char| c.is_ascii_alphanumeric() || "*?/.!#_- \n".contains(c);
    let is_path = !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let small = text.len() <= 48 && text.matches('*').count() <= 8 && path.len() <= 24;
    if text.chars().all(plain) && is_path && small && !path.contains('\n') {
        assert_eq!(said, Some(expected(text, path)), "{text:?} {path:?}");
    }
    if said.is_some() && is_path && !path.contains(['*', '?', '[', '\\', '\n', '\r']) && path == path.trim() && !path.starts_with(['!', '#']) {
        assert_eq!(leaves_out(&format!("{text}\n{path}"), path), Some(true), "{path:?} named");
        assert_eq!(leaves_out(&format!("{text}\n!{path}"), path), Some(false), "{path:?} kept");
    }
});
