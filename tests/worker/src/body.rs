//! Bodies that a test can compute for itself, made in every way a Worker can.

use std::io::Write;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use worker::worker_sys::FixedLengthStream as WebFixedLengthStream;
use worker::{Delay, Error, FixedLengthStream, Response, ResponseBody, Result};

/// Byte `i` of every body is `(i * 31 + i / 256) % 251`.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * 31 + i / 256) % 251) as u8).collect()
}

const CHUNK: usize = 50_000;

type Chunks = Vec<Result<Vec<u8>>>;

fn chunks(bytes: &[u8]) -> Chunks {
    bytes.chunks(CHUNK).map(|chunk| Ok(chunk.to_vec())).collect()
}

/// The first half of the chunks, then an error.
fn half(bytes: &[u8]) -> Chunks {
    let mut chunks = chunks(&bytes[..bytes.len() / 2]);
    chunks.push(Err(Error::from("broken on purpose")));
    chunks
}

/// In chunks, of no declared length.
pub fn streamed(len: usize) -> Result<Response> {
    Response::from_stream(stream::iter(chunks(&pattern(len))))
}

/// The same, with so many milliseconds between them.
pub fn paced(len: usize, pace: u64) -> Result<Response> {
    Response::from_stream(stream::iter(chunks(&pattern(len))).then(move |chunk| async move {
        Delay::from(Duration::from_millis(pace)).await;
        chunk
    }))
}

/// In chunks, of declared length.
pub fn fixed(len: usize) -> Result<Response> {
    declared(chunks(&pattern(len)), len)
}

/// Declares `len` bytes and fails after half of them.
pub fn broken(len: usize) -> Result<Response> {
    declared(half(&pattern(len)), len)
}

/// Declares nothing and fails after half of `len` bytes.
pub fn cut(len: usize) -> Result<Response> {
    Response::from_stream(stream::iter(half(&pattern(len))))
}

/// Compressed by the application itself, so that the runtime must leave it alone.
pub fn gzip() -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all("compressed by hand, ".repeat(1000).as_bytes()).map_err(|e| Error::from(e.to_string()))?;
    encoder.finish().map_err(|e| Error::from(e.to_string()))
}

fn declared(chunks: Chunks, len: usize) -> Result<Response> {
    let stream: WebFixedLengthStream = FixedLengthStream::wrap(stream::iter(chunks), len as u64).into();
    Response::from_body(ResponseBody::Stream(stream.readable()))
}
