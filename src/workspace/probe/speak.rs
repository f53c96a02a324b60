//! A few words of each protocol: enough to know who is there. Nobody logs in, and no answer is read further than its
//! bounds.

use std::{io, net::SocketAddr};

use futures_util::StreamExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::{client_async_with_config, tungstenite::protocol::WebSocketConfig};

use super::{super::Service, Answer, Target};

/// Bytes of a page that are read.
const PAGE: usize = 64 << 10;
/// Bytes before SSH's own line, which a server may send: RFC 4253 4.2.
const GREETING: usize = 8 << 10;
/// X.224 connection request that offers TLS and network level authentication: MS-RDPBCGR 2.2.1.1.
const CONNECTION_REQUEST: [u8; 19] = [3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0];

/// What was heard at a port; the text is not sanitised.
#[derive(Clone, Debug)]
pub struct Heard {
    pub(super) answer: Answer,
    pub(super) said: String,
    pub(super) open: bool,
}

impl Heard {
    pub(super) fn new(answer: Answer, said: impl Into<String>) -> Self {
        Self {
            answer,
            said: said.into(),
            open: false,
        }
    }

    fn stranger(bytes: &[u8]) -> Self {
        let shown = bytes.get(..bytes.len().min(60)).unwrap_or_default();
        match shown {
            [] => Self::new(Answer::Silent, "it hung up without a word"),
            _ => Self::new(Answer::Stranger, String::from_utf8_lossy(shown)),
        }
    }
}

/// Asks at a port; without end of its own where nothing comes.
pub(super) async fn speak(target: Target) -> Heard {
    let stream = match TcpStream::connect(target.address).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Heard::new(Answer::Closed, "nobody listens");
        }
        Err(error) => return Heard::new(Answer::Unreachable, error.to_string()),
    };
    let heard = match target.protocol {
        Service::Ssh => ssh(stream).await,
        Service::Vnc => vnc(stream).await,
        Service::Rdp => rdp(stream).await,
        Service::Novnc => novnc(stream, target.address).await,
        Service::Code => code(stream, target.address).await,
        Service::Jupyter => jupyter(stream, target.address).await,
        Service::Tensorboard => tensorboard(stream, target.address).await,
    };
    heard.unwrap_or_else(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Heard::new(Answer::Silent, "it hung up in the middle")
        }
        _ => Heard::new(Answer::Unreachable, error.to_string()),
    })
}

/// The line `SSH-2.0-…`; others may be before it.
async fn ssh(mut stream: TcpStream) -> io::Result<Heard> {
    let mut bytes = vec![];
    let mut piece = [0; 512];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        let whole = text
            .rfind('\n')
            .and_then(|end| text.get(..end))
            .unwrap_or_default();
        if let Some(line) = whole.lines().find(|line| line.starts_with("SSH-")) {
            let known = line.starts_with("SSH-2.0-") || line.starts_with("SSH-1.99-");
            let answer = if known { Answer::Speaks } else { Answer::Stranger };
            return Ok(Heard::new(answer, line));
        }
        if bytes.len() >= GREETING {
            return Ok(Heard::stranger(&bytes));
        }
        match stream.read(&mut piece).await? {
            0 => return Ok(Heard::stranger(&bytes)),
            read => bytes.extend(piece.iter().take(read)),
        }
    }
}

/// Whether these are RFB's first twelve bytes, `RFB 003.008\n`.
fn is_rfb(version: &[u8]) -> bool {
    matches!(version, [b'R', b'F', b'B', b' ', b'0', b'0', b'3', b'.', rest @ .., b'\n'] if rest.len() == 3 && rest.iter().all(u8::is_ascii_digit))
}

async fn vnc(mut stream: TcpStream) -> io::Result<Heard> {
    let mut version = [0; 12];
    let mut read = 0;
    while let Some(rest) = version.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest).await? {
            0 => break,
            more => read += more,
        }
    }
    let came = version.get(..read).unwrap_or_default();
    if !is_rfb(came) {
        return Ok(Heard::stranger(came));
    }
    let name = String::from_utf8_lossy(came).trim().to_owned();
    stream.write_all(came).await?;
    let types = if came.ends_with(b"003.003\n") {
        vec![u8::try_from(stream.read_u32().await?).unwrap_or(0)]
    } else {
        let mut types = vec![0; stream.read_u8().await?.into()];
        stream.read_exact(&mut types).await?;
        types
    };
    // no type of security: a reason follows
    if types.first().is_none_or(|first| *first == 0) {
        let mut reason = vec![0; stream.read_u32().await?.min(500) as usize];
        stream.read_exact(&mut reason).await?;
        let reason = String::from_utf8_lossy(&reason).into_owned();
        return Ok(Heard::new(Answer::Fails, format!("{name}, refused: {reason}")));
    }
    Ok(Heard {
        open: types.contains(&1),
        ..Heard::new(Answer::Speaks, name)
    })
}

async fn rdp(mut stream: TcpStream) -> io::Result<Heard> {
    stream.write_all(&CONNECTION_REQUEST).await?;
    let mut bytes = vec![];
    (&mut stream).take(11).read_to_end(&mut bytes).await?;
    match bytes.as_slice() {
        // TPKT's version, two bytes of length, X.224's length, connection confirm
        [3, _, _, _, _, 0xd0, ..] => Ok(Heard::new(Answer::Speaks, "X.224 connection confirm")),
        [3, 0, ..] => Ok(Heard::new(Answer::Fails, "it refuses the connection request")),
        other => Ok(Heard::stranger(other)),
    }
}

/// A page: status, where it leads to, and the beginning of its text.
struct Page {
    status: u16,
    location: String,
    text: String,
}

impl Page {
    /// A login page, or the way to one.
    fn asks(&self) -> bool {
        let leads = (300..400).contains(&self.status) && self.location.contains("login");
        leads || matches!(self.status, 401 | 403)
    }

    fn words(&self) -> String {
        match self.status {
            300..400 => format!("HTTP {} to {}", self.status, self.location),
            status => format!("HTTP {status}"),
        }
    }

    fn heard(&self, name: &str, is_it: bool) -> Heard {
        if self.asks() {
            return Heard::new(
                Answer::Speaks,
                format!("{name} asks for its password ({})", self.words()),
            );
        }
        match self.status {
            200 if is_it => Heard::new(Answer::Speaks, format!("{name}, {}", self.words())),
            200 => Heard::new(Answer::Stranger, format!("a page that is not {name}'s")),
            _ => Heard::new(Answer::Fails, self.words()),
        }
    }
}

/// One page, from a server that need not be one.
async fn page(mut stream: TcpStream, address: SocketAddr, path: &str) -> io::Result<Result<Page, Heard>> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: halolab\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = vec![];
    // a server that closes hard after its answer gave one all the same
    if let Err(error) = stream.take(PAGE as u64).read_to_end(&mut bytes).await
        && bytes.is_empty()
    {
        return Err(error);
    }
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default();
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5))
        .and_then(|status| status.parse().ok());
    let Some(status) = status else {
        return Ok(Err(Heard::stranger(&bytes)));
    };
    let location = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location")
            .then(|| value.trim().to_owned())
    });
    Ok(Ok(Page {
        status,
        location: location.unwrap_or_default(),
        text: body.to_owned(),
    }))
}

async fn code(stream: TcpStream, address: SocketAddr) -> io::Result<Heard> {
    let page = page(stream, address, "/healthz").await?;
    Ok(page.map_or_else(
        |heard| heard,
        |page| page.heard("code-server", page.text.contains("\"status\"")),
    ))
}

async fn jupyter(stream: TcpStream, address: SocketAddr) -> io::Result<Heard> {
    // told to everybody: the server's version
    let page = page(stream, address, "/api").await?;
    Ok(page.map_or_else(
        |heard| heard,
        |page| page.heard("Jupyter", page.text.contains("\"version\"")),
    ))
}

/// First what the door tells without a password; a TensorBoard without a door is found by its own page.
async fn tensorboard(stream: TcpStream, address: SocketAddr) -> io::Result<Heard> {
    let ready = match page(stream, address, "/-/ready").await? {
        Ok(page) if page.status == 404 => {
            let stream = TcpStream::connect(address).await?;
            page_of_its_own(stream, address).await?
        }
        Ok(page) => page.heard("TensorBoard", page.text.contains("\"scalars\"")),
        Err(heard) => heard,
    };
    Ok(ready)
}

async fn page_of_its_own(stream: TcpStream, address: SocketAddr) -> io::Result<Heard> {
    let page = match page(stream, address, "/").await? {
        Ok(page) => page,
        Err(heard) => return Ok(heard),
    };
    let heard = page.heard("TensorBoard", page.text.contains("TensorBoard"));
    Ok(Heard {
        open: page.status == 200 && heard.answer == Answer::Speaks,
        ..heard
    })
}

/// The page, then the screen behind it: the page comes also where VNC does not run.
async fn novnc(stream: TcpStream, address: SocketAddr) -> io::Result<Heard> {
    let page = match page(stream, address, "/vnc.html").await? {
        Ok(page) => page,
        Err(heard) => return Ok(heard),
    };
    let heard = page.heard("noVNC", page.text.contains("noVNC"));
    if heard.answer != Answer::Speaks || page.status != 200 {
        return Ok(heard);
    }
    let stream = TcpStream::connect(address).await?;
    let limits = WebSocketConfig::default()
        .max_message_size(Some(PAGE))
        .max_frame_size(Some(PAGE));
    let opened = client_async_with_config(format!("ws://{address}/websockify"), stream, Some(limits)).await;
    let behind = match opened {
        Ok((mut socket, _)) => match socket.next().await {
            Some(Ok(message)) if is_rfb(&message.clone().into_data()) => {
                let version = String::from_utf8_lossy(&message.into_data()).trim().to_owned();
                return Ok(Heard::new(Answer::Speaks, format!("noVNC, {version} behind it")));
            }
            Some(Ok(_)) => "what is behind it is no VNC server".to_owned(),
            Some(Err(error)) => error.to_string(),
            None => "it hung up".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    let said = format!("the page is there, the screen behind it is not: {behind}");
    Ok(Heard::new(Answer::Fails, said))
}
