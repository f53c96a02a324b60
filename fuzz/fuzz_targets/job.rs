//! What a lab says of a job: lines of its second stream, and states, which anybody inside may write.

#![no_main]

use halolab::job::{JobId, Status, inside};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let cut = bytes.first().map_or(0, |b| usize::from(*b));
    assert_eq!(inside::hear(bytes, cut), inside::hear(bytes, 0), "wherever it is cut");
    for line in bytes.split(|b| *b == b'\n') {
        let Some(status) = Status::parse(line, "j-1") else {
            continue;
        };
        let shown = [
            status.ending(),
            status.kind.clone(),
            status.container.clone(),
            status.started_at.clone(),
            status.updated_at.clone(),
            status.progress.phase.clone(),
            status.progress.current.clone(),
            status.progress.last_error.clone(),
        ];
        for text in shown {
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
        let _ = (status.code(), status.is_over(), status.progress.percent());
        // What is kept is read again as it is.
        let kept = serde_json::to_vec(&status).expect("it was read from JSON");
        assert_eq!(Status::parse(&kept, "j-1").map(|s| s.state), Some(status.state));
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(id) = JobId::parse(text)
    {
        assert!(!id.as_str().contains(['/', '.', '\n']), "an id is a plain name: {id}");
    }
});
