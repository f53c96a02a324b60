//! Who excludes whom: halolabs that reach the same engine, whatever way each of them does.

use halolab::run::lock::{Daemon, Lock, LockError, Scope};

/// What a daemon is, in no other process that runs these tests.
fn identity(name: &str) -> String {
    format!("{name}{}", std::process::id())
}

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
    let known = identity("ab12/default");
    socket.answered(&known);
    https.answered(&known);
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
    other.answered(&identity("cd34/default"));
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
    let known = identity("d0ck/");
    one.docker_answered(&known);
    let held = take(&one).unwrap();
    drop(take(&other).unwrap());
    other.docker_answered(&known);
    assert!(
        matches!(take(&other), Err(LockError::Held(_))),
        "it is the same Docker"
    );
    drop(held);
    drop(take(&other).unwrap());
}

/// The locks of two users are in folders of their own; what both see is the machine's place for locks.
#[test]
fn two_users_exclude_each_other_on_a_lab_of_one_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let (daemon, elsewhere) = (Daemon::at("/a/unix.socket"), Daemon::at("/a/unix.socket"));
    daemon.answered(&identity("users/default"));
    elsewhere.answered(&identity("others/default"));
    let take = |user: &str, daemon: &Daemon, lab: &str| {
        Lock::take_for(
            &folder.path().join(user).join("lock"),
            &Scope::labs(daemon, [lab]),
            "run x",
        )
    };
    let held = take("anna", &daemon, "one").unwrap();
    let Err(LockError::Held(who)) = take("bob", &daemon, "one") else {
        panic!("two work on one lab");
    };
    assert!(who.contains(&format!("pid {}", std::process::id())), "{who}");
    drop(take("bob", &daemon, "two").unwrap());
    drop(take("bob", &elsewhere, "one").unwrap());
    drop(held);
    drop(take("bob", &daemon, "one").unwrap());
}
