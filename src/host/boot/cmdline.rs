//! Kernel parameters as text: `a b=1 c="x y"`. What is not ours stays as it is, byte for byte.

use std::cell::RefCell;

/// What the parameters of the kernel should become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Parameters with the value that they get, as `ttm.pages_limit` and `25165824`. Empty: the name alone.
    pub set: Vec<(String, String)>,
    /// Parameters that go.
    pub remove: Vec<String>,
}

impl Wish {
    /// Whether a parameter is one that the wish sets or removes.
    pub fn names(&self, parameter: &str) -> bool {
        let mut all = self.set.iter().map(|(name, _)| name).chain(&self.remove);
        all.any(|name| same(name, parameter))
    }
}

/// Writes a wish into texts, and notes the parameters that it takes out of them.
#[derive(Debug)]
pub(super) struct Pen<'a> {
    pub(super) wish: &'a Wish,
    taken: RefCell<Vec<(String, String)>>,
}

impl<'a> Pen<'a> {
    pub(super) fn new(wish: &'a Wish) -> Self {
        let taken = RefCell::default();
        Self { wish, taken }
    }

    /// What was taken out so far: names as the wish has them, and values.
    pub(super) fn taken(self) -> Vec<(String, String)> {
        self.taken.into_inner()
    }

    /// Whether a parameter is one that the wish names; then its value is noted.
    pub(super) fn takes(&self, name: &str, value: &str) -> bool {
        let named = self.wish.names(name);
        if named {
            let plain = name.replace('-', "_");
            let mut taken = self.taken.borrow_mut();
            // The last one counts, as for the kernel.
            taken.retain(|(known, _)| *known != plain);
            taken.push((plain, value.to_owned()));
        }
        named
    }

    /// A text without the parameters that the wish names, and with those it sets at the end where `here`.
    pub(super) fn apply(&self, text: &str, here: bool) -> String {
        let mut kept = String::new();
        let mut end = 0;
        for (start, token) in tokens(text) {
            let (name, value) = split(token);
            if self.takes(name, value) {
                // With the space before it, so that the rest keeps its own.
                let before = text.get(end..start).unwrap_or_default();
                kept.push_str(before.trim_end_matches([' ', '\t']));
            } else {
                kept.push_str(text.get(end..start).unwrap_or_default());
                kept.push_str(token);
            }
            end = start + token.len();
        }
        let tail = text.get(end..).unwrap_or_default();
        if here {
            for (name, value) in &self.wish.set {
                if !kept.is_empty() && !kept.ends_with([' ', '\t']) {
                    kept.push(' ');
                }
                kept.push_str(&parameter(name, value));
            }
        }
        kept.push_str(tail);
        lead(text, kept)
    }
}

/// Where the first parameter went, the space before the second one goes too.
fn lead(text: &str, kept: String) -> String {
    if text.starts_with([' ', '\t']) {
        kept
    } else {
        kept.trim_start_matches([' ', '\t']).to_owned()
    }
}

/// `name=value`, or the name alone.
pub(super) fn parameter(name: &str, value: &str) -> String {
    if value.is_empty() {
        name.to_owned()
    } else {
        format!("{name}={value}")
    }
}

/// The value of a parameter in a text; the last one counts, as for the kernel.
pub(super) fn value<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    let found = tokens(text)
        .filter(|(_, token)| same(split(token).0, wanted))
        .last();
    found.map(|(_, token)| split(token).1)
}

fn split(token: &str) -> (&str, &str) {
    token.split_once('=').unwrap_or((token, ""))
}

/// The kernel takes `-` for `_` in names of parameters.
fn same(one: &str, other: &str) -> bool {
    let plain = |c: char| if c == '-' { '_' } else { c };
    one.chars().map(plain).eq(other.chars().map(plain))
}

/// The parameters of a text with their places; spaces in double quotes do not end one, unless the quote is never closed.
fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at + rest.find(|c: char| !c.is_whitespace())?;
        let rest = text.get(start..)?;
        let mut quoted = false;
        let end = rest.char_indices().find_map(|(offset, c)| {
            quoted ^= c == '"';
            (c.is_whitespace() && !quoted).then_some(offset)
        });
        let end = end.or_else(|| {
            if quoted {
                rest.find(char::is_whitespace)
            } else {
                None
            }
        });
        at = start + end.unwrap_or(rest.len());
        Some((start, text.get(start..at)?))
    })
}

#[cfg(test)]
mod tests {
    use super::{Pen, Wish, value};

    fn wish() -> Wish {
        Wish {
            set: vec![("ttm.pages_limit".into(), "5".into())],
            remove: vec!["amdgpu.gttsize".into()],
        }
    }

    #[test]
    fn only_what_the_wish_names_changes() {
        let text = r#"quiet  dyndbg="file a.c +p" amdgpu.gttsize=126000 ttm.pages-limit=1 rw"#;
        assert_eq!(
            Pen::new(&wish()).apply(text, true),
            r#"quiet  dyndbg="file a.c +p" rw ttm.pages_limit=5"#
        );
        assert_eq!(Pen::new(&wish()).apply("amdgpu.gttsize=1 rw\n", false), "rw\n");
        assert_eq!(Pen::new(&wish()).apply("", true), "ttm.pages_limit=5");
        assert_eq!(
            Pen::new(&wish()).apply("root=a rw\n", true),
            "root=a rw ttm.pages_limit=5\n"
        );
    }

    #[test]
    fn doing_it_twice_changes_nothing() {
        let once = Pen::new(&wish()).apply("quiet splash", true);
        assert_eq!(Pen::new(&wish()).apply(&once, true), once);
    }

    #[test]
    fn the_last_value_counts() {
        assert_eq!(
            value("ttm.pages_limit=1 ttm.pages_limit=2", "ttm.pages_limit"),
            Some("2")
        );
        assert_eq!(value("quiet", "quiet"), Some(""));
        assert_eq!(value("quiet", "ttm.pages_limit"), None);
    }
}
