//! Bodies that come piece by piece, and such that break off.

use crate::runtime::Runtime as _;
use crate::sim::SimRuntime;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body::Frame;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Bytes in pieces, each after a pause.
pub(super) struct Flow {
    runtime: SimRuntime,
    left: Bytes,
    piece: usize,
    pause: Duration,
    waiting: Option<BoxFuture<'static, ()>>,
    torn: bool,
}

impl Flow {
    /// `bytes` in `pieces`, with `pause` before each; a `torn` one breaks off before the last.
    pub(super) fn new(runtime: SimRuntime, bytes: Bytes, pieces: usize, pause: Duration, torn: bool) -> Self {
        let piece = (bytes.len() / pieces.max(1)).max(1);
        Self { runtime, left: bytes, piece, pause, waiting: None, torn }
    }
}

impl http_body::Body for Flow {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        if !self.pause.is_zero() {
            let pause = self.pause;
            let runtime = self.runtime.clone();
            let waiting = self.waiting.get_or_insert_with(|| runtime.sleep(pause));
            ready!(waiting.poll_unpin(cx));
            self.waiting = None;
        }
        if self.torn && self.left.len() <= self.piece {
            self.left = Bytes::new();
            return Poll::Ready(Some(Err("the origin broke off")));
        }
        let size = self.piece.min(self.left.len());
        let piece = self.left.split_to(size);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}
