//! Every backend keeps the same contract: the fake, the private LXD and Docker of `tests/run.sh`, and Incus where there
//! is one.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common {
    pub(super) mod contract;
    pub(super) mod daemon;
    pub(super) mod docker;
}

mod docker_backend;

/// One test for each promise on each backend.
macro_rules! contract {
    ($($promise:ident),* $(,)?) => {
        mod fake {
            $(#[tokio::test]
            async fn $promise() {
                let fake = halolab::backend::fake::Fake::new().with_image("lab/bb");
                fake.set_pause(std::time::Duration::from_millis(700 * u64::from(stringify!($promise) == "cancelled_command")));
                super::common::contract::$promise(&fake, "lab/bb", "hl-test-fake").await;
            })*
        }
        mod lxd {
            $(#[tokio::test]
            async fn $promise() {
                let Some(daemon) = super::common::daemon::lxd().await else { return };
                super::on(&daemon, stringify!($promise), super::common::contract::$promise).await;
            })*
        }
        mod docker {
            $(#[tokio::test]
            async fn $promise() {
                let Some(daemon) = super::common::docker::docker().await else { return };
                super::on(&daemon, stringify!($promise), super::common::contract::$promise).await;
            })*
        }
        mod incus {
            $(#[tokio::test]
            async fn $promise() {
                let Some(daemon) = super::common::daemon::incus().await else { return };
                super::on(&daemon, stringify!($promise), super::common::contract::$promise).await;
            })*
        }
    };
}

contract!(
    life,
    missing,
    taken,
    names,
    edit,
    edits_side_by_side,
    snapshots,
    copies,
    copies_of_snapshots,
    commands,
    cancelled_command,
    files,
    terminal,
    profiles,
    environment,
    events,
    images,
);

/// Runs one promise on a real daemon, and cleans up.
async fn on<F>(daemon: &dyn halolab::backend::Backend, promise: &str, test: F)
where
    F: for<'a> AsyncFnOnce(&'a dyn halolab::backend::Backend, &'a str, &'a str),
{
    let name = common::daemon::unique(&promise.replace('_', "-"));
    common::daemon::clean(daemon, &name, test(daemon, common::daemon::IMAGE, &name)).await;
}
