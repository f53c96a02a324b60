//! YAML out of JSON's values: each text is quoted as JSON does it, which is YAML too, so that none of it is taken for a
//! number, a truth or a reference.

use std::fmt::Write as _;

use serde_json::Value;

/// A document, its keys in the order of the alphabet.
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

fn block(out: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                // Writing to memory does not fail.
                let _ = write!(out, "{indent}{}:", name(key));
                below(out, value, depth);
            }
        }
        Value::Array(list) => {
            for value in list {
                let _ = write!(out, "{indent}-");
                match value {
                    Value::Object(map) if !map.is_empty() => {
                        // The first key stands behind the dash.
                        let mut inner = String::new();
                        block(&mut inner, value, depth + 1);
                        out.push(' ');
                        out.push_str(inner.trim_start());
                    }
                    _ => below(out, value, depth),
                }
            }
        }
        scalar => {
            let _ = writeln!(out, "{indent}{scalar}");
        }
    }
}

fn below(out: &mut String, value: &Value, depth: usize) {
    let empty = match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => true,
    };
    if empty {
        let _ = writeln!(out, " {value}");
    } else {
        out.push('\n');
        block(out, value, depth + 1);
    }
}

/// Plain words need no quotes.
fn name(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let word = key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(plain);
    if word
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
            .contains(&key.to_lowercase().as_str())
    {
        return key.to_owned();
    }
    Value::from(key).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_stay_texts() {
        let value = json!({
            "a": {"list": ["no", 1, {"x": "22:22", "y": []}], "none": null},
            "no": "on", "1": true, "e": {},
        });
        let text = write(&value);
        assert_eq!(
            text,
            "\"1\": true\na:\n  list:\n    - \"no\"\n    - 1\n    - x: \"22:22\"\n      \"y\": []\n  none: null\n\
             e: {}\n\"no\": \"on\"\n"
        );
    }
}
