//! A daemon that keeps a call waiting: it is said at once, the wait has an end, and the user may end it before.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::daemon::{Reply, Scripted, server, yes};
use halolab::backend::{
    Backend as _, Error,
    late::{Listener, heard},
    lxd::Lxd,
};
use serde_json::json;
use tokio::net::UnixSocket;
use tokio_util::sync::CancellationToken;

/// A question may take a second here, a change six, and 0.3 s without an answer are said.
const QUESTION: Duration = Duration::from_secs(1);

/// A listener, and what it heard.
fn listener(patient: bool) -> (Listener, Arc<Mutex<Vec<String>>>) {
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&said);
    let tell = move |text: &str| heard.lock().unwrap().push(text.to_owned());
    (Listener::new(tell, CancellationToken::new(), patient), said)
}

async fn client(daemon: &Scripted) -> Lxd {
    let client = Lxd::connect_unix_within(daemon.socket(), QUESTION, Duration::from_millis(200));
    client.await.unwrap()
}

fn mute() -> Scripted {
    Scripted::start(|seen, _| match seen.line.as_str() {
        "GET /1.0" => server(),
        _ => Reply::Hang,
    })
}

#[tokio::test]
async fn a_question_that_hangs_is_told_and_then_an_error() {
    let daemon = mute();
    let client = client(&daemon).await;
    let (listener, said) = listener(false);
    let began = Instant::now();
    let ended = heard(listener, client.instances()).await;
    assert!(matches!(ended, Err(Error::Timeout { .. })), "{ended:?}");
    assert!(began.elapsed() >= QUESTION && began.elapsed() < QUESTION * 3);
    let said = said.lock().unwrap();
    let [one] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert!(one.starts_with("lxd has not answered for 0.3 s: "), "{one}");
    assert!(one.contains("; waiting until "), "{one}");
}

#[tokio::test]
async fn a_change_and_a_question_of_a_run_are_given_more_time() {
    let daemon = mute();
    let client = client(&daemon).await;
    let change = async {
        let began = Instant::now();
        let (listener, said) = listener(false);
        assert!(heard(listener, client.delete_profile("a")).await.is_err());
        assert_eq!(said.lock().unwrap().len(), 1);
        began.elapsed()
    };
    let question = async {
        let began = Instant::now();
        let (listener, _) = listener(true);
        assert!(heard(listener, client.instances()).await.is_err());
        began.elapsed()
    };
    let (change, question) = tokio::join!(change, question);
    for took in [change, question] {
        assert!(took >= QUESTION * 6 && took < QUESTION * 9, "{took:?}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_at_last_is_told() {
    let daemon = Scripted::start(|seen, _| {
        if seen.line == "GET /1.0" {
            return server();
        }
        std::thread::sleep(Duration::from_millis(600));
        yes(json!([]))
    });
    let client = client(&daemon).await;
    let (listener, said) = listener(false);
    // The daemon's thread is this one: what waits for it has to be another.
    let asking = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(heard(listener, async move { client.instances().await }))
    });
    assert_eq!(asking.await.unwrap().unwrap(), []);
    let said = said.lock().unwrap();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].starts_with("lxd answered after 0."), "{said:?}");
}

#[tokio::test]
async fn who_is_stopped_waits_a_moment_longer_and_no_more() {
    let daemon = mute();
    let client = client(&daemon).await;
    let (listener, _) = listener(true);
    let cancel = listener.cancel.clone();
    let began = Instant::now();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(heard(listener, client.delete_profile("a")), stop);
    assert!(matches!(ended, Err(Error::Cancelled { .. })), "{ended:?}");
    assert!(began.elapsed() < QUESTION * 3, "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_several_calls_wait_for_at_once_is_told_once() {
    let daemon = mute();
    let client = client(&daemon).await;
    let (listener, said) = listener(false);
    let all = async { tokio::join!(client.instances(), client.instances(), client.pools()) };
    let (one, other, third) = heard(listener, all).await;
    assert!(one.is_err() && other.is_err() && third.is_err());
    let said = said.lock().unwrap();
    assert_eq!(said.len(), 2, "{said:?}");
    assert_ne!(said[0], said[1]);
}

/// A socket whose queue of callers is full: its daemon is there, and hangs or does too much.
#[tokio::test]
async fn a_daemon_that_takes_no_more_callers_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("unix.socket");
    let full = UnixSocket::new_stream().unwrap();
    full.bind(&socket).unwrap();
    let _full = full.listen(0).unwrap();
    let _first = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    let (listener, said) = listener(false);
    let connect = Lxd::connect_unix_within(&socket, QUESTION, Duration::from_millis(200));
    let ended = heard(listener, connect).await;
    assert!(matches!(ended, Err(Error::Timeout { .. })), "{ended:?}");
    assert_eq!(said.lock().unwrap().len(), 1);
}
