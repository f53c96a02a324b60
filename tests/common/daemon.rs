//! The daemons that tests run against, and cleaning up on them.

use std::{
    env,
    future::Future,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::atomic::{AtomicU32, Ordering},
};

use futures_util::FutureExt as _;
use halolab::backend::{Backend, Power, lxd::Lxd};

/// The small image that the private daemon holds.
pub(crate) const IMAGE: &str = "lab/bb";

/// The private LXD of this test run; none where the environment says to skip what needs one.
pub(crate) async fn lxd() -> Option<Lxd> {
    let socket = env::var("HALOLAB_TEST_LXD").unwrap_or_default();
    assert!(
        !socket.is_empty(),
        "HALOLAB_TEST_LXD names no daemon: run `tests/run.sh`, which starts a private one, \
         or set HALOLAB_TEST_LXD=skip to leave these tests out"
    );
    if socket == "skip" {
        return None;
    }
    Some(
        Lxd::connect_unix(socket)
            .await
            .expect("the daemon of HALOLAB_TEST_LXD answers"),
    )
}

/// The Incus of this test run, where there is one.
pub(crate) async fn incus() -> Option<Lxd> {
    let socket = env::var("HALOLAB_TEST_INCUS")
        .ok()
        .filter(|socket| !socket.is_empty())?;
    Some(
        Lxd::connect_unix(socket)
            .await
            .expect("the daemon of HALOLAB_TEST_INCUS answers"),
    )
}

/// A name that no other test uses; what begins with it is removed by [`clean`].
// No name is the beginning of another one: what begins with a name is taken for its own.
pub(crate) fn unique(what: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("hl-test-{what}-{}-{number:02}", std::process::id())
}

/// Runs a test, and removes the instances and profiles that begin with `prefix` however it ends.
pub(crate) async fn clean<T>(backend: &dyn Backend, prefix: &str, test: impl Future<Output = T>) -> T {
    let ended = AssertUnwindSafe(test).catch_unwind().await;
    for instance in backend.instances().await.unwrap_or_default() {
        if instance.name.starts_with(prefix) {
            let _ = backend.power(&instance.name, Power::Stop { seconds: 0 }).await;
            let _ = backend.delete(&instance.name).await;
        }
    }
    let _ = backend.delete_profile(prefix).await;
    let _ = backend.delete_image(prefix).await;
    ended.unwrap_or_else(|panic| resume_unwind(panic))
}
