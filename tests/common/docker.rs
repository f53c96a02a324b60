//! The private Docker that tests run against.

use std::env;

use halolab::backend::docker::Docker;

/// The private Docker of this test run; none where the environment says to skip what needs one.
pub(crate) async fn docker() -> Option<Docker> {
    let socket = env::var("HALOLAB_TEST_DOCKER").unwrap_or_default();
    assert!(
        !socket.is_empty(),
        "HALOLAB_TEST_DOCKER names no daemon: run `tests/run.sh`, which starts a private one, \
         or set HALOLAB_TEST_DOCKER=skip to leave these tests out"
    );
    if socket == "skip" {
        return None;
    }
    let found = Docker::connect_to(&format!("unix://{socket}")).await;
    Some(found.expect("the daemon of HALOLAB_TEST_DOCKER answers"))
}
