//! Every real daemon of this run.

use std::path::PathBuf;

use halolab::backend::{Backend as _, lxd::Lxd};

use super::daemon::{incus, lxd};

/// The daemons of this run, with their sockets.
pub(crate) async fn daemons() -> Vec<(Lxd, PathBuf)> {
    let mut found = vec![];
    for daemon in [lxd().await, incus().await].into_iter().flatten() {
        let socket = daemon.server().await.unwrap().address.into();
        found.push((daemon, socket));
    }
    found
}
