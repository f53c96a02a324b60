//! As much of HTTP/1.1 as a proxy needs that hands one request and one answer on, byte for byte.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest head that is read.
const LONGEST: usize = 64 * 1024;

/// What a proxy has to know of a request.
pub struct Request {
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// It asks for a websocket.
    pub upgrade: bool,
    /// Head and body, as they came.
    pub bytes: Vec<u8>,
    /// Where the body begins.
    pub body: usize,
}

/// Reads until the end of a head; its length, or none where the peer left before it.
pub async fn read_head(
    from: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
) -> io::Result<Option<usize>> {
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            return Ok(Some(at + 4));
        }
        if bytes.len() > LONGEST || from.read_buf(bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// Reads a whole request; none where the client left.
pub async fn read_request(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Request>> {
    let mut bytes = Vec::with_capacity(4096);
    let Some(body) = read_head(from, &mut bytes).await? else {
        return Ok(None);
    };
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    parsed.parse(&bytes[..body]).map_err(io::Error::other)?;
    let header = |name: &str| {
        let found = parsed.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
        found.map(|h| String::from_utf8_lossy(h.value).to_lowercase())
    };
    let (method, path) = (
        parsed.method.unwrap_or("").to_owned(),
        parsed.path.unwrap_or("").to_owned(),
    );
    let upgrade = header("upgrade").is_some();
    let length: usize = header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let chunked = header("transfer-encoding").is_some_and(|t| t.contains("chunked"));
    let whole = |bytes: &[u8]| {
        if chunked {
            bytes[body..].ends_with(b"0\r\n\r\n")
        } else {
            bytes.len() >= body + length
        }
    };
    while !whole(&bytes) {
        if from.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(Request {
        method,
        path,
        upgrade,
        bytes,
        body,
    }))
}

impl Request {
    /// The request as the daemon gets it: its answer ends with the connection, so that nobody has to count bytes.
    pub fn last_of_its_connection(&self) -> Vec<u8> {
        if self.upgrade {
            return self.bytes.clone();
        }
        let (head, body) = self.bytes.split_at(self.body - 2);
        [head, b"Connection: close\r\n", body].concat()
    }
}

/// The same answer with a length that is not its own.
pub fn with_wrong_length(answer: &[u8]) -> Vec<u8> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = head.map_or(&[][..], |at| &answer[at + 4..]);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len() + 7
    );
    [head.as_bytes(), body].concat()
}

/// An answer of one's own.
pub fn answer(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
