//! Answers of a daemon, as the fuzzer reaches them.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    transport::Transport,
    wire::{Envelope, Event, Image, Instance, Network, Operation, Pool, Profile, Resources, Server, State},
};
use crate::backend::{about::About, types};

/// Keys of an instance that a daemon may leave out, or send as `null`: it means the same.
const LENIENT: [&str; 11] = [
    "status",
    "status_code",
    "description",
    "created_at",
    "last_used_at",
    "config",
    "profiles",
    "devices",
    "expanded_config",
    "expanded_devices",
    "location",
];

fn read<T: DeserializeOwned + Default>(bytes: &[u8]) -> T {
    serde_json::from_slice(bytes).unwrap_or_default()
}

fn of<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_str(&value.to_string()).ok()
}

/// Reads bytes as each kind of answer, turns what is read into our own words, and looks at what must hold of them.
///
/// # Panics
/// Something of it does not.
pub fn read_any(bytes: &[u8]) {
    let envelope: Envelope = read(bytes);
    let raw = envelope.metadata.as_deref().map_or(bytes, |m| m.get().as_bytes());
    for bytes in [bytes, raw] {
        operation(read(bytes));
        let event: Event = read(bytes);
        let _ = event.kind;
        operation(read(event.metadata.to_string().as_bytes()));
        let server = read::<Server>(bytes).into_server("/a", false);
        assert_eq!(
            (server.address.as_str(), server.pid),
            ("/a", None),
            "of another machine"
        );
        assert!(!server.product.is_empty());
        let _ = types::InstanceState::from(read::<State>(bytes));
        let _ = types::ImageInfo::from(read::<Image>(bytes));
        let _ = types::Profile::from(read::<Profile>(bytes));
        let _ = types::Network::from(read::<Network>(bytes));
        let _ = (read::<Pool>(bytes), read::<Resources>(bytes));
        if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
            instances(&value);
        }
    }
}

/// An error of the daemon's reaches nobody's terminal as it came.
fn operation(operation: Operation) {
    let about = About::new("try", "operation");
    let code = operation.status_code;
    match Transport::finished(operation, &about) {
        Ok(_) => assert_eq!(code, 200, "only a success is one"),
        Err(error) => {
            let said = error.to_string();
            let shown = |c: char| c == '\u{fffd}' || !(c.is_control() || crate::log::sanitize::is_hidden(c));
            assert!(said.chars().all(shown), "{said:?}");
        }
    }
}

fn instances(value: &Value) {
    let listed: Option<Vec<Instance>> = of(value);
    let each = value
        .as_array()
        .map(|all| all.iter().map(of::<Instance>).collect::<Vec<_>>());
    if let (Some(listed), Some(each)) = (listed, each) {
        for (one, alone) in listed.into_iter().zip(each) {
            let alone = alone.map(types::Instance::from);
            assert_eq!(alone, Some(types::Instance::from(one)), "in a list as alone");
        }
    }
    let Some(told) = of::<Instance>(value) else {
        return;
    };
    let snapshot = types::Snapshot::from(told.clone());
    assert!(!snapshot.name.contains('/') && snapshot.size != Some(0));
    let instance = types::Instance::from(told);
    assert!(!instance.last_used.starts_with("0001-"));
    assert_eq!(
        instance.config.get("volatile.uuid").map_or("", String::as_str),
        instance.uuid
    );
    let Some(map) = value.as_object() else { return };
    let with = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut map = map.clone();
        change(&mut map);
        of::<Instance>(&Value::Object(map)).map(types::Instance::from)
    };
    let same = with(&|map| {
        map.insert("of_a_newer_daemon".into(), Value::from(1));
    });
    assert_eq!(same.as_ref(), Some(&instance), "what is not known is passed over");
    for key in LENIENT {
        let null = with(&|map| {
            map.insert(key.into(), Value::Null);
        });
        let absent = with(&|map| {
            map.remove(key);
        });
        assert!(null.is_some() && null == absent, "{key}");
    }
}
