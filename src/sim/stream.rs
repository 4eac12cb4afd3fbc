use crate::body::Body;
use crate::entry::StoredResponse;
use crate::policy::{CacheKey, Level};
use crate::semantics::freshness::Timestamp;
use crate::tier::{MemoryTier, Page, Takes, Tier, TierError};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A tier that takes and gives streams, as the edge cache does: a body is read chunk by chunk and committed only when
/// it came whole.
///
/// ```
/// use layercake::policy::Level;
/// use layercake::sim::StreamTier;
/// use layercake::tier::{Takes, Tier};
///
/// assert_eq!(StreamTier::new(Level::L1, 1 << 20).takes(None), Takes::Stream);
/// ```
pub struct StreamTier {
    shelf: MemoryTier,
    limit: u64,
}

/// The size of the chunks it gives.
const CHUNK: usize = 64 << 10;

impl StreamTier {
    /// A tier that keeps at most `budget` bytes, each entry counted with some overhead.
    #[must_use]
    pub fn new(level: Level, budget: u64) -> Self {
        Self { shelf: MemoryTier::new(level, budget).max_entry(budget), limit: budget }
    }

    async fn commit(&self, key: &CacheKey, entry: StoredResponse, now: Timestamp) -> Result<(), TierError> {
        let StoredResponse { head, headers, body } = entry;
        let bytes = body.into_bytes(self.limit).await.map_err(|e| TierError::Refused(e.to_string()))?;
        if head.length.is_some_and(|length| length != bytes.len() as u64) {
            return Err(TierError::Refused("the body is not of the length announced".to_owned()));
        }
        self.shelf.put(key, StoredResponse { head, headers, body: bytes.into() }, now).await
    }
}

impl Tier for StreamTier {
    fn level(&self) -> Level {
        self.shelf.level()
    }

    fn takes(&self, _: Option<u64>) -> Takes {
        Takes::Stream
    }

    fn get<'a>(
        &'a self,
        key: &'a CacheKey,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<StoredResponse>, TierError>> {
        Box::pin(async move {
            let found = self.shelf.get(key, now).await?;
            Ok(found.map(|entry| match entry.body.as_bytes().cloned() {
                Some(bytes) => entry.with_body(Body::stream(Chunks(bytes))),
                None => entry,
            }))
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: StoredResponse,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(self.commit(key, entry, now))
    }

    fn delete<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<(), TierError>> {
        self.shelf.delete(key)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, TierError>> {
        self.shelf.list(prefix, cursor, limit)
    }
}

/// Bytes in pieces, to be read once.
pub(super) struct Chunks(pub(super) Bytes);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let size = self.0.len().min(CHUNK);
        let chunk = self.0.split_to(size);
        Poll::Ready((!chunk.is_empty()).then_some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}
