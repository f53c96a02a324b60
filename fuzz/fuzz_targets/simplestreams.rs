//! Lists of image servers: no path leaves the server, and only fingerprints are believed.

#![no_main]

use halolab::backend::{
    simplestreams::{fingerprints, listings},
    types::is_fingerprint,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for path in listings(bytes).unwrap_or_default() {
        let url = url::Url::parse("https://server/root/").and_then(|root| root.join(&path));
        let url = url.expect("a path that was accepted is one");
        assert_eq!(url.host_str(), Some("server"), "{path:?}");
        assert!(url.path().starts_with("/root/"), "{path:?}");
    }
    let found = fingerprints(bytes, "debian/12", "amd64").unwrap_or_default();
    assert!(found.iter().all(|f| is_fingerprint(f)), "{found:?}");
});
