//! A minimal HTTP/1.1 server side: keep-alive, both body framings, and replies that may break the rules on purpose.

use std::{cell::Cell, future::Future, io, rc::Rc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Header names are lower case; values are bytes, since stored values must come back untouched.
pub type Headers = Vec<(String, Vec<u8>)>;

const MAX_HEAD: usize = 256 * 1024;
/// Above this a body is written on its own instead of being copied behind the head.
const SEPARATE_WRITE: usize = 16 * 1024;

#[derive(Debug, Default)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        find(&self.headers, name)
    }

    /// The path of the target, in origin or absolute form, without the query.
    pub fn path(&self) -> &str {
        let rest = match self.target.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => &self.target,
        };
        rest.split('?').next().unwrap_or(rest)
    }

    pub fn query(&self) -> Vec<(String, String)> {
        self.target.split_once('?').map(|(_, query)| parse_query(query)).unwrap_or_default()
    }
}

pub fn find<'a>(headers: &'a Headers, name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_slice())
}

pub fn parse_query(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |s: &str| String::from_utf8_lossy(&percent_decode(&s.replace('+', " "))).into_owned();
            (decode(name), decode(value))
        })
        .collect()
}

pub fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

/// What to do with a request.
pub enum Outcome {
    Reply(Reply),
    /// Never answer; the connection stays open until the peer gives up.
    Hang,
    /// Close the connection without an answer.
    Close,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Framing {
    /// `Content-Length` with the true length.
    #[default]
    Length,
    Chunked,
    /// `Content-Length` as told, whatever the body holds; it may be no number.
    Declared(String),
}

/// A body in pieces.
#[derive(Clone, Debug)]
pub struct Pace {
    pub piece: usize,
    /// Between one and the next.
    pub pause: Duration,
    /// For ever, and what is counted of it.
    pub endless: Option<Rc<Endless>>,
}

/// The bodies that never end.
#[derive(Debug, Default)]
pub struct Endless {
    pub under_way: Cell<u64>,
    pub bytes: Cell<u64>,
}

struct UnderWay<'a>(&'a Endless);

impl<'a> UnderWay<'a> {
    fn begin(endless: &'a Endless) -> Self {
        endless.under_way.set(endless.under_way.get() + 1);
        UnderWay(endless)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
    }
}

#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Headers,
    pub body: Rc<[u8]>,
    pub framing: Framing,
    /// Close the connection after that many bytes of the body.
    pub cut: Option<usize>,
    /// Wait that long between the head and the body.
    pub body_delay: Duration,
    pub pace: Option<Box<Pace>>,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Reply {
            status,
            headers: Vec::new(),
            body: Rc::from([]),
            framing: Framing::Length,
            cut: None,
            body_delay: Duration::ZERO,
            pace: None,
        }
    }

    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Rc<[u8]>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn text(status: u16, text: impl AsRef<str>) -> Self {
        Reply::new(status).header("content-type", "text/plain").body(text.as_ref().as_bytes())
    }

    pub fn json(value: &serde_json::Value) -> Self {
        Reply::new(200).header("content-type", "application/json").body(value.to_string().into_bytes())
    }
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Outcome::Reply(reply)
    }
}

/// Serves one connection until either side ends it.
///
/// Requests that `stalls` picks by their heads are not read further: whoever sends the body has to wait.
pub async fn serve<H, F>(mut stream: TcpStream, stalls: impl Fn(&Request) -> bool, handler: H) -> io::Result<()>
where
    H: Fn(Request) -> F,
    F: Future<Output = Outcome>,
{
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer, &stalls).await? {
        let head_only = request.method == "HEAD";
        match handler(request).await {
            Outcome::Reply(reply) => {
                if !write_reply(&mut stream, &reply, head_only).await? {
                    return Ok(());
                }
            }
            Outcome::Close => return Ok(()),
            Outcome::Hang => {
                while stream.read(&mut [0; 1024]).await? != 0 {}
                return Ok(());
            }
        }
    }
    Ok(())
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Reads one whole request; `None` when the peer closed between two. A request cut short is an error, so that a PUT
/// whose source broke is never stored.
async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    stalls: impl Fn(&Request) -> bool,
) -> io::Result<Option<Request>> {
    let mut request = Request::default();
    let head = loop {
        if !buffer.is_empty() {
            let mut slots = [httparse::EMPTY_HEADER; 128];
            let mut parsed = httparse::Request::new(&mut slots);
            if let httparse::Status::Complete(length) = parsed.parse(buffer).map_err(|e| bad(&e.to_string()))? {
                request.method = parsed.method.unwrap_or_default().to_owned();
                request.target = parsed.path.unwrap_or_default().to_owned();
                request.headers = copy_headers(parsed.headers);
                break length;
            }
            if buffer.len() > MAX_HEAD {
                return Err(bad("request head too large"));
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    };
    buffer.drain(..head);
    while stalls(&request) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let chunked = request.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case(b"chunked"));
    if chunked {
        request.body = read_chunks(stream, buffer).await?;
    } else if let Some(length) = request.header("content-length") {
        let length: usize = std::str::from_utf8(length)
            .ok()
            .and_then(|v| v.trim().parse().ok())
            .ok_or_else(|| bad("content-length"))?;
        buffer.reserve(length.saturating_sub(buffer.len()));
        while buffer.len() < length {
            fill(stream, buffer).await?;
        }
        let rest = buffer.split_off(length);
        request.body = std::mem::replace(buffer, rest);
    }
    Ok(Some(request))
}

async fn read_chunks(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let (start, size) = loop {
            match httparse::parse_chunk_size(&buffer[at..]).map_err(|_| bad("chunk size"))? {
                httparse::Status::Complete((skip, size)) => break (at + skip, size as usize),
                httparse::Status::Partial => fill(stream, buffer).await?,
            }
        };
        // The data and its line end; after the last chunk that is the empty line (no peer here sends trailers).
        while buffer.len() < start + size + 2 {
            fill(stream, buffer).await?;
        }
        body.extend_from_slice(&buffer[start..start + size]);
        at = start + size + 2;
        if size == 0 {
            buffer.drain(..at);
            return Ok(body);
        }
    }
}

pub fn copy_headers(headers: &[httparse::Header<'_>]) -> Headers {
    headers.iter().map(|h| (h.name.to_ascii_lowercase(), h.value.to_vec())).collect()
}

/// Writes a reply; `false` when the connection must be closed after it.
async fn write_reply(stream: &mut TcpStream, reply: &Reply, head_only: bool) -> io::Result<bool> {
    let bodiless = head_only || matches!(reply.status, 100..=199 | 204 | 304);
    let mut head = format!("HTTP/1.1 {} {}\r\n", reply.status, reason(reply.status)).into_bytes();
    for (name, value) in &reply.headers {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    if !matches!(reply.status, 100..=199 | 204 | 304) {
        match &reply.framing {
            Framing::Length => head.extend_from_slice(format!("content-length: {}\r\n", reply.body.len()).as_bytes()),
            Framing::Declared(n) => head.extend_from_slice(format!("content-length: {n}\r\n").as_bytes()),
            Framing::Chunked => head.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
    }
    head.extend_from_slice(b"\r\n");
    if bodiless {
        stream.write_all(&head).await?;
        return Ok(true);
    }

    let mut body = &reply.body[..];
    let mut alive = true;
    if let Some(cut) = reply.cut {
        body = &body[..cut.min(body.len())];
        alive = false;
    }
    if let Framing::Declared(declared) = &reply.framing {
        // Too little must end in a close, or the peer waits for ever; too much would be read as the next head.
        alive &= *declared == reply.body.len().to_string();
    }
    if !reply.body_delay.is_zero() {
        stream.write_all(&head).await?;
        head.clear();
        tokio::time::sleep(reply.body_delay).await;
    }
    let chunked = reply.framing == Framing::Chunked;
    if let Some(pace) = &reply.pace {
        stream.write_all(&head).await?;
        head.clear();
        write_pieces(stream, body, pace, chunked).await?;
        if chunked && alive {
            stream.write_all(b"0\r\n\r\n").await?;
        }
    } else if chunked {
        if !body.is_empty() {
            push_chunk(&mut head, body);
        }
        if alive {
            head.extend_from_slice(b"0\r\n\r\n");
        }
        stream.write_all(&head).await?;
    } else if body.len() <= SEPARATE_WRITE {
        head.extend_from_slice(body);
        stream.write_all(&head).await?;
    } else {
        stream.write_all(&head).await?;
        stream.write_all(body).await?;
    }
    if !alive {
        stream.shutdown().await?;
    }
    Ok(alive)
}

fn push_chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

async fn write_pieces(stream: &mut TcpStream, body: &[u8], pace: &Pace, chunked: bool) -> io::Result<()> {
    let _under_way = pace.endless.as_deref().map(UnderWay::begin);
    loop {
        for piece in body.chunks(pace.piece.max(1)) {
            let mut framed = Vec::new();
            if chunked {
                push_chunk(&mut framed, piece);
            } else {
                framed.extend_from_slice(piece);
            }
            stream.write_all(&framed).await?;
            if let Some(endless) = &pace.endless {
                endless.bytes.set(endless.bytes.get() + piece.len() as u64);
            }
            // A pause of nothing still lets others have their turn.
            tokio::time::sleep(pace.pause).await;
        }
        if pace.endless.is_none() || body.is_empty() {
            return Ok(());
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        413 => "Payload Too Large",
        414 => "URI Too Long",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
