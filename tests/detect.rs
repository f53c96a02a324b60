//! What is detected on captured hosts, and that no broken, huge or hostile file of a host does harm.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/tree.rs"]
mod tree;

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;
use tree::{detect, hosts};

/// Where two documents differ: every key that is expected must be there and equal. Findings are compared as a set
/// of (id, severity), with what else is expected of each.
fn differences(place: &str, expected: &Value, seen: Option<&Value>) -> Vec<String> {
    match (expected, seen) {
        (Value::Object(keys), Some(Value::Object(found))) => keys
            .iter()
            .flat_map(|(key, value)| differences(&format!("{place}.{key}"), value, found.get(key)))
            .collect(),
        (Value::Array(wanted), Some(Value::Array(found))) if place.ends_with(".findings") => {
            let pair = |finding: &Value| (finding["id"].to_string(), finding["severity"].to_string());
            let (a, b): (BTreeSet<_>, BTreeSet<_>) = (
                wanted.iter().map(pair).collect(),
                found.iter().map(pair).collect(),
            );
            let sets =
                (a != b).then(|| format!("{place}: {:?} against {:?}", a.difference(&b), b.difference(&a)));
            let each = wanted.iter().flat_map(|want| {
                let same = found.iter().find(|have| have["id"] == want["id"]);
                differences(&format!("{place}[{}]", want["id"]), want, same)
            });
            sets.into_iter().chain(each).collect()
        }
        (Value::Array(wanted), Some(Value::Array(found))) => {
            let lengths = (wanted.len() != found.len())
                .then(|| format!("{place}: {} entries, {} expected", found.len(), wanted.len()));
            let each = wanted
                .iter()
                .enumerate()
                .flat_map(|(index, want)| differences(&format!("{place}[{index}]"), want, found.get(index)));
            lengths.into_iter().chain(each).collect()
        }
        (expected, Some(seen)) if expected == seen => vec![],
        (expected, Some(seen)) => vec![format!("{place}: {seen}, expected {expected}")],
        (expected, None) => vec![format!("{place} is missing, expected {expected}")],
    }
}

/// What a captured host says of itself, without the words about the capture.
fn expected(host: &Path) -> Value {
    let mut value: Value = serde_json::from_slice(&fs::read(host.join("expected.json")).unwrap()).unwrap();
    for key in ["case", "summary"] {
        value.as_object_mut().unwrap().remove(key);
    }
    value
}

#[test]
fn every_captured_host_is_detected_as_expected() {
    let hosts = hosts();
    assert!(hosts.len() >= 16, "{} hosts", hosts.len());
    let wrong: Vec<String> = hosts
        .iter()
        .flat_map(|host| {
            let name = host.file_name().unwrap().to_string_lossy().into_owned();
            differences(&name, &expected(host), Some(&detect(host)))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
