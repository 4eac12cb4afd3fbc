//! The client side of HTTP/1.1 over loopback: one keep-alive connection, whole answers, bodies looked at and not kept.

use std::{io, net::Ipv4Addr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const READ: usize = 64 * 1024;

/// A connection to a port of this machine; opened when first used, and anew after a failure.
pub struct Connection {
    port: u16,
    stream: Option<TcpStream>,
    /// The head of the last answer.
    head: Vec<u8>,
    /// Bytes read, from `at` on not looked at yet.
    buffer: Vec<u8>,
    at: usize,
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl Connection {
    pub fn new(port: u16) -> Self {
        Connection { port, stream: None, head: Vec::new(), buffer: Vec::new(), at: 0 }
    }

    /// Opens it ahead of its use.
    pub async fn open(&mut self) -> io::Result<&mut TcpStream> {
        if self.stream.is_none() {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
            stream.set_nodelay(true)?;
            (self.buffer, self.at) = (Vec::with_capacity(READ), 0);
            self.stream = Some(stream);
        }
        self.stream.as_mut().ok_or_else(|| bad("no connection"))
    }

    /// Gives the connection up: what it would bring next is unknown.
    pub fn close(&mut self) {
        self.stream = None;
    }

    /// Gives it up so that the other side knows at once: a mere close may mean that there is no more to be sent.
    pub fn reset(&mut self) {
        if let Some(stream) = self.stream.take() {
            let _ = stream.set_zero_linger();
        }
    }

    /// Sends a request and reads its whole answer, showing each piece of the body to `see`; the status.
    pub async fn exchange(&mut self, request: &[u8], see: impl FnMut(&[u8])) -> io::Result<u16> {
        let status = self.converse(request, see).await;
        if status.is_err() {
            self.close();
        }
        status
    }

    /// A field of the last answer.
    pub fn field(&self, name: &str) -> Option<&str> {
        let head = std::str::from_utf8(&self.head).ok()?;
        head.split("\r\n").skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    async fn converse(&mut self, request: &[u8], mut see: impl FnMut(&[u8])) -> io::Result<u16> {
        self.open().await?.write_all(request).await?;
        let status = loop {
            let mut slots = [httparse::EMPTY_HEADER; 64];
            let mut answer = httparse::Response::new(&mut slots);
            let unread = &self.buffer[self.at..];
            if let httparse::Status::Complete(length) = answer.parse(unread).map_err(|e| bad(&e.to_string()))? {
                let status = answer.code.unwrap_or(0);
                self.head.clear();
                self.head.extend_from_slice(&unread[..length]);
                self.at += length;
                break status;
            }
            self.more().await?;
        };
        let declared = self.field("content-length").map(|value| value.parse().map_err(|_| bad("content-length")));
        match declared.transpose()? {
            Some(length) => self.take(length, &mut see).await?,
            None if matches!(status, 204 | 304) => {}
            None => while self.chunk(&mut see).await? {},
        }
        Ok(status)
    }

    /// One chunk; false after the last one.
    async fn chunk(&mut self, see: &mut impl FnMut(&[u8])) -> io::Result<bool> {
        let size = loop {
            match httparse::parse_chunk_size(&self.buffer[self.at..]).map_err(|_| bad("chunk size"))? {
                httparse::Status::Complete((skip, size)) => {
                    self.at += skip;
                    break size;
                }
                httparse::Status::Partial => self.more().await?,
            }
        };
        self.take(size, see).await?;
        self.take(2, &mut |_: &[u8]| {}).await?;
        Ok(size > 0)
    }

    async fn take(&mut self, mut length: u64, see: &mut impl FnMut(&[u8])) -> io::Result<()> {
        while length > 0 {
            if self.at == self.buffer.len() {
                self.more().await?;
            }
            let unread = &self.buffer[self.at..];
            let piece = &unread[..unread.len().min(usize::try_from(length).unwrap_or(usize::MAX))];
            see(piece);
            self.at += piece.len();
            length -= piece.len() as u64;
        }
        Ok(())
    }

    async fn more(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.reserve(READ / 4);
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        match stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
