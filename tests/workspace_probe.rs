//! Services of workspaces, asked in their own words: servers on this machine that answer well, wrongly, late, never, or
//! with whatever would harm a reader.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{net::SocketAddr, time::Duration};

use halolab::workspace::{
    Service,
    probe::{Answer, Health, Inside, Probed, Report, Target, judge, probe, supervisor::State},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A guard against hanging, not a measure.
const LONG: Duration = Duration::from_mins(1);
/// For servers that never answer.
const SHORT: Duration = Duration::from_millis(300);

/// A server that sends pieces: each after it has read something, except where the piece says to send at once.
async fn server(pieces: Vec<(bool, Vec<u8>)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, pieces.clone()));
        }
    });
    address
}

async fn talk(mut stream: TcpStream, pieces: Vec<(bool, Vec<u8>)>) {
    let mut heard = [0; 4096];
    for (first, piece) in pieces {
        if !first && stream.read(&mut heard).await.unwrap_or(0) == 0 {
            return;
        }
        if stream.write_all(&piece).await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
    while stream.read(&mut heard).await.is_ok_and(|read| read > 0) {}
}

fn greets(bytes: &[u8]) -> Vec<(bool, Vec<u8>)> {
    vec![(true, bytes.to_vec())]
}

fn answers(bytes: &[u8]) -> Vec<(bool, Vec<u8>)> {
    vec![(false, bytes.to_vec())]
}

fn http(status: &str, head: &str, body: &str) -> Vec<(bool, Vec<u8>)> {
    answers(format!("HTTP/1.1 {status}\r\n{head}\r\n{body}").as_bytes())
}

async fn asked(protocol: Service, pieces: Vec<(bool, Vec<u8>)>, deadline: Duration) -> Probed {
    let address = server(pieces).await;
    probe(&[Target { protocol, address }], deadline).await.remove(0)
}

async fn said(protocol: Service, pieces: Vec<(bool, Vec<u8>)>) -> (Answer, String) {
    let probed = asked(protocol, pieces, LONG).await;
    (probed.answer, probed.said)
}

#[tokio::test]
async fn ssh_is_known_by_its_line() {
    let of = |text: &str| said(Service::Ssh, greets(text.as_bytes()));
    let good = of("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n").await;
    assert_eq!(good, (Answer::Speaks, "SSH-2.0-OpenSSH_9.2p1 Debian-2".into()));
    let announced = of("Only for friends\r\nof SSH-2.0\r\nSSH-2.0-dropbear\r\n").await;
    assert_eq!(announced, (Answer::Speaks, "SSH-2.0-dropbear".into()));
    assert_eq!(of("SSH-1.5-old\n").await.0, Answer::Stranger);
    assert_eq!(
        of("220 mail.example ESMTP\r\n").await,
        (Answer::Stranger, "220 mail.example ESMTP".into())
    );
    assert_eq!(of("").await.0, Answer::Silent);
    assert_eq!(
        of(&"x\n".repeat(1 << 16)).await.0,
        Answer::Stranger,
        "it is read no further than its bounds"
    );
}

#[tokio::test]
async fn a_piece_at_a_time_is_enough() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for byte in b"SSH-2.0-slow\r\n" {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let _ = stream.read(&mut [0; 64]).await;
    });
    let target = Target {
        protocol: Service::Ssh,
        address,
    };
    assert_eq!(probe(&[target], LONG).await[0].said, "SSH-2.0-slow");
}

#[tokio::test]
async fn vnc_shakes_hands_and_tells_what_it_asks_for() {
    let of = |after: &[u8]| {
        let pieces = vec![(true, b"RFB 003.008\n".to_vec()), (false, after.to_vec())];
        asked(Service::Vnc, pieces, LONG)
    };
    let good = of(&[1, 2]).await;
    assert_eq!(
        (good.answer, good.said.as_str(), good.open),
        (Answer::Speaks, "RFB 003.008", false)
    );
    assert!(of(&[2, 2, 1]).await.open, "one of its kinds of security is none");
    let locked = of(b"\0\0\0\0\x1aToo many security failures").await;
    assert_eq!(locked.answer, Answer::Fails);
    assert_eq!(locked.said, "RFB 003.008, refused: Too many security failures");
    assert_eq!(of(&[5]).await.answer, Answer::Silent, "it hangs up in the middle");
    let old = vec![(true, b"RFB 003.003\n".to_vec()), (false, vec![0, 0, 0, 2])];
    assert_eq!(said(Service::Vnc, old).await.0, Answer::Speaks);
    assert_eq!(
        said(Service::Vnc, greets(b"RFB 004.000\n")).await.0,
        Answer::Stranger
    );
    assert_eq!(
        said(Service::Vnc, greets(b"SSH-2.0-x\r\n...")).await.0,
        Answer::Stranger
    );
}

#[tokio::test]
async fn remote_desktop_confirms() {
    let confirm = [3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0, 8, 0, 1, 0, 0, 0];
    assert_eq!(said(Service::Rdp, answers(&confirm)).await.0, Answer::Speaks);
    let refused = [3, 0, 0, 11, 6, 0x80, 0, 0, 0, 0, 0];
    assert_eq!(said(Service::Rdp, answers(&refused)).await.0, Answer::Fails);
    assert_eq!(
        said(Service::Rdp, answers(b"HTTP/1.0 400 Bad Request\r\n\r\n"))
            .await
            .0,
        Answer::Stranger
    );
    assert_eq!(said(Service::Rdp, answers(b"")).await.0, Answer::Silent);
}

#[tokio::test]
async fn pages_logins_and_redirects_are_understood() {
    let json = "Content-Type: application/json\r\n";
    let code = |status, head, body| said(Service::Code, http(status, head, body));
    let alive = code("200 OK", json, r#"{"status":"alive"}"#).await;
    assert_eq!(alive, (Answer::Speaks, "code-server, HTTP 200".into()));
    let login = code("302 Found", "Location: ./login?to=%2F\r\n", "").await;
    assert_eq!(login.0, Answer::Speaks);
    assert!(
        login.1.contains("asks for its password (HTTP 302 to ./login"),
        "{}",
        login.1
    );
    assert_eq!(
        code("302 Found", "Location: https://elsewhere/\r\n", "").await.0,
        Answer::Fails
    );
    assert_eq!(
        code("502 Bad Gateway", "", "").await,
        (Answer::Fails, "HTTP 502".into())
    );
    assert_eq!(code("200 OK", "", "<h1>It works!</h1>").await.0, Answer::Stranger);
    assert_eq!(code("2", "", "").await.0, Answer::Stranger);

    let jupyter = |status, body| said(Service::Jupyter, http(status, "", body));
    assert_eq!(
        jupyter("200 OK", r#"{"version": "2.21.0"}"#).await.0,
        Answer::Speaks
    );
    assert_eq!(jupyter("403 Forbidden", "").await.0, Answer::Speaks);
    assert_eq!(jupyter("404 Not Found", "").await.0, Answer::Fails);

    let board = |status, body| asked(Service::Tensorboard, http(status, "", body), LONG);
    let behind = board("200 OK", r#"{"scalars": {"enabled": true}}"#).await;
    assert_eq!((behind.answer, behind.open), (Answer::Speaks, false));
    assert_eq!(board("502 Bad Gateway", "").await.answer, Answer::Fails);
    assert_eq!(board("401 Unauthorized", "").await.answer, Answer::Speaks);
}

/// A server of pages: what it answers follows from the path.
async fn site(pages: &'static [(&'static str, &'static str)], screen: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(visit(stream, pages, screen));
        }
    });
    address
}

async fn visit(mut stream: TcpStream, pages: &[(&str, &str)], screen: &[u8]) {
    use futures_util::SinkExt as _;
    let mut head = vec![0; 2048];
    let read = stream.peek(&mut head).await.unwrap();
    let text = String::from_utf8_lossy(&head[..read]).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default();
    if path == "/websockify" {
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let _ = socket.send(screen.to_vec().into()).await;
        let _ = socket.close(None).await;
        return;
    }
    let _ = stream.read(&mut head).await;
    let page = pages.iter().find(|(of, _)| *of == path);
    let answer = page.map_or("HTTP/1.1 404 Not Found\r\n\r\n", |(_, answer)| answer);
    let _ = stream.write_all(answer.as_bytes()).await;
}

#[tokio::test]
async fn the_screen_behind_the_page_is_asked_too() {
    const PAGE: &[(&str, &str)] = &[("/vnc.html", "HTTP/1.1 200 OK\r\n\r\n<title>noVNC</title>")];
    let of = async |pages, screen| {
        let address = site(pages, screen).await;
        let target = Target {
            protocol: Service::Novnc,
            address,
        };
        let probed = probe(&[target], LONG).await.remove(0);
        (probed.answer, probed.said)
    };
    assert_eq!(
        of(PAGE, b"RFB 003.008\n").await,
        (Answer::Speaks, "noVNC, RFB 003.008 behind it".into())
    );
    let (answer, words) = of(PAGE, b"no").await;
    assert_eq!(answer, Answer::Fails);
    assert!(words.contains("the screen behind it is not"), "{words}");
    assert_eq!(of(&[], b"").await, (Answer::Fails, "HTTP 404".into()));
}

#[tokio::test]
async fn a_tensorboard_without_a_door_is_open_to_everybody() {
    let address = site(&[("/", "HTTP/1.1 200 OK\r\n\r\n<title>TensorBoard</title>")], b"").await;
    let target = Target {
        protocol: Service::Tensorboard,
        address,
    };
    let probed = probe(&[target], LONG).await.remove(0);
    assert_eq!((probed.answer, probed.open), (Answer::Speaks, true));
    let reports = judge(
        "ws-anna",
        &["tensorboard"],
        &running("tensorboard", 500),
        &[probed],
    );
    assert_eq!(reports[0].health, Health::Warning);
    assert!(reports[0].words.contains("no password"), "{reports:?}");
}

#[tokio::test]
async fn who_says_nothing_is_waited_for_until_the_deadline_and_all_at_once() {
    let silent = server(vec![(false, vec![]), (false, vec![]), (false, vec![])]).await;
    let trickling = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let drop_by_drop = trickling.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = trickling.accept().await {
            tokio::spawn(async move {
                while stream.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
    });
    let targets: Vec<Target> = [silent, drop_by_drop]
        .into_iter()
        .flat_map(|address| Service::ALL.map(|protocol| Target { protocol, address }))
        .collect();
    let all = tokio::time::timeout(LONG, probe(&targets, SHORT)).await.unwrap();
    assert_eq!(all.len(), 14);
    for probed in all {
        let late = matches!(probed.answer, Answer::Silent | Answer::Stranger);
        assert!(late, "{probed:?}");
    }
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let closed = probe(
        &[Target {
            protocol: Service::Ssh,
            address,
        }],
        LONG,
    )
    .await;
    assert_eq!(closed[0].answer, Answer::Closed);
}

#[tokio::test]
async fn no_bytes_do_harm() {
    let mut noise = vec![];
    for round in 0_u32..40_000 {
        noise.extend(round.wrapping_mul(2_654_435_761).to_le_bytes());
    }
    let hostile: [&[u8]; 8] = [
        b"\x1b]0;owned\x07\x1b[2J\x1b[31mSSH-2.0-\xff\n",
        b"SSH-2.0-\x1b]52;c;cm0gLXJm\x07\x1b[2Jx\xe2\x80\xae\n",
        b"RFB 003.008\n\xff\xff\xff\xff\xff",
        b"RFB 003.008\n\0\xff\xff\xff\xff\x1b[2J",
        b"HTTP/1.1 200 OK\r\nLocation: \x1b[2J\r\n\r\n\x1b[2J\"version\" noVNC",
        b"HTTP/1.1 302 \r\nlocation: login\x1b]0;x\x07\r\n\r\n",
        b"\x03\x00\x00\x00\x00\xd0",
        &noise,
    ];
    for bytes in hostile {
        for protocol in Service::ALL {
            for first in [true, false] {
                let probed = asked(protocol, vec![(first, bytes.to_vec())], SHORT).await;
                let shown = probed.said.chars().all(|c| !c.is_control() && c != '\u{202e}');
                assert!(shown && probed.said.chars().count() <= 200, "{probed:?}");
            }
        }
    }
}

fn running(name: &str, uptime: u32) -> Inside {
    let line = format!(
        "{name} RUNNING pid 7, uptime 0:{:02}:{:02}\n",
        uptime / 60,
        uptime % 60
    );
    Inside::read(line.as_bytes())
}

fn closed(service: Service) -> Probed {
    Probed {
        service,
        address: "127.0.0.1:10000".parse().unwrap(),
        answer: Answer::Closed,
        said: "nobody listens".into(),
        open: false,
        milliseconds: 1,
    }
}

fn one(service: &str, inside: &Inside, probed: &[Probed]) -> Report {
    judge("ws-anna", &[service], inside, probed).remove(0)
}

#[test]
fn supervisors_word_alone_is_not_believed_and_what_to_type_is_said() {
    let vnc = [closed(Service::Vnc)];
    assert_eq!(one("vnc", &running("vnc", 5), &vnc).health, Health::Starting);
    let old = one("vnc", &running("vnc", 500), &vnc);
    assert_eq!(old.health, Health::Down);
    assert!(old.advice.contains("halolab workspace logs anna vnc"), "{old:?}");
    let up = Probed {
        answer: Answer::Speaks,
        said: "RFB 003.008".into(),
        ..closed(Service::Vnc)
    };
    // it answers, so it is there, whatever supervisor says
    assert_eq!(
        one("vnc", &Inside::away("no such container"), &[up]).health,
        Health::Up
    );
    let stranger = Probed {
        answer: Answer::Stranger,
        said: "220 mail".into(),
        ..closed(Service::Vnc)
    };
    let report = one("vnc", &running("vnc", 500), &[stranger]);
    assert!(report.advice.contains("ss -ltnp"), "{report:?}");

    let fatal = Inside::read(b"vnc FATAL Exited too quickly (process log may have details)\n");
    let report = one("vnc", &fatal, &vnc);
    assert_eq!(
        (report.health, report.program.unwrap().state),
        (Health::Down, State::Fatal)
    );
    assert!(report.words.contains("Exited too quickly"));
    let left = Inside::read(b"ssh RUNNING pid 1, uptime 0:00:09\nrefused code there is no password\n");
    let report = one("code", &left, &[closed(Service::Code)]);
    assert_eq!(
        (report.health, report.words.as_str()),
        (Health::LeftOut, "left out: there is no password")
    );
    let gone = one(
        "vnc",
        &Inside::read(b"unix:///run/supervisor.sock no such file"),
        &vnc,
    );
    assert!(gone.words.contains("supervisor cannot be asked"), "{gone:?}");
    let json = serde_json::to_value(&gone).unwrap();
    assert_eq!(
        (json["health"].as_str(), json["probed"]["answer"].as_str()),
        (Some("down"), Some("closed"))
    );
}

#[test]
fn the_engine_inside_is_asked_inside() {
    let of = |answer: &str, uptime: u32| {
        let text = format!(
            "dind RUNNING pid 1, uptime 0:{:02}:{:02}\nanswers dind {answer}\n",
            uptime / 60,
            uptime % 60
        );
        one("dind", &Inside::read(text.as_bytes()), &[]).health
    };
    assert_eq!(of("OK", 3), Health::Up);
    assert_eq!(of("", 3), Health::Starting);
    assert_eq!(of("", 600), Health::Down);
}
