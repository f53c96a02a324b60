//! What Docker keeps for us in labels, and what it says of a container, which anybody may have labelled.

#![no_main]

use halolab::backend::docker::fuzzed;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzzed::container(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        fuzzed::record(text);
        fuzzed::packed(text);
    }
});
