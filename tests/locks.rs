//! Who excludes whom: halolabs that reach the same engine, whatever way each of them does.

use halolab::run::lock::{Daemon, Lock, LockError, Scope};

#[test]
fn a_daemon_at_two_places_has_one_lock_for_a_lab() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let take = |daemon: &Daemon| Lock::take_for(&path, &Scope::labs(daemon, ["one"]), "run x");
    let (socket, https) = (Daemon::at("/a/unix.socket"), Daemon::at("https://a:8443"));
    let early = take(&socket).unwrap();
    drop(take(&https).unwrap());
    drop(early);
    let clone = socket.clone();
    socket.answered("ab12/default");
    https.answered("ab12/default");
    let held = take(&clone).unwrap();
    assert!(
        matches!(take(&https), Err(LockError::Held(_))),
        "it is the same daemon"
    );
    let unasked = Daemon::at("/a/unix.socket");
    assert!(
        matches!(take(&unasked), Err(LockError::Held(_))),
        "its place is enough"
    );
    let other = Daemon::at("https://b:8443");
    other.answered("cd34/default");
    drop((take(&other).unwrap(), held));
    drop(take(&https).unwrap());
}

/// Labs of Docker are the same for all who share it, whichever LXD each of them has.
#[test]
fn two_that_share_docker_exclude_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let take = |daemon: &Daemon| Lock::take_for(&path, &Scope::labs(daemon, ["one"]), "run x");
    let (one, other) = (Daemon::at("/a/unix.socket"), Daemon::at("/nonexistent"));
    one.docker_answered("d0ck/");
    let held = take(&one).unwrap();
    drop(take(&other).unwrap());
    other.docker_answered("d0ck/");
    assert!(
        matches!(take(&other), Err(LockError::Held(_))),
        "it is the same Docker"
    );
    drop(held);
    drop(take(&other).unwrap());
}
