//! From what a tier has to a value.

use super::codec::CodecError;
use super::load::{NONE, Opaque, VALUE};
use super::seal::Sealer;
use crate::body::Body;
use crate::engine::{Read, Reader};
use crate::entry::StoredResponse;
use crate::message::HeaderFields;
use crate::policy::CacheKey;
use crate::runtime::{Runtime, within};
use futures::future::BoxFuture;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How long the bytes of a value may take to come.
const LIMIT: Duration = Duration::from_secs(10);

/// Why bytes are no value.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undecoded {
    #[error(transparent)]
    Codec(CodecError),
    #[error("it is none")]
    None,
}

/// The way from bytes to values of one type, which the walk does not know.
#[derive(Clone)]
pub(super) struct Decode {
    pub(super) content_type: Option<&'static str>,
    /// Of no bytes the value is none. Without it the value is the body itself.
    pub(super) decode: Option<DecodeBytes>,
}

pub(super) type DecodeBytes = Arc<dyn Fn(Option<&[u8]>) -> Result<Opaque, Undecoded> + Send + Sync>;

/// Reads values.
#[derive(Clone)]
pub(super) struct ValueReader {
    pub(super) key: CacheKey,
    pub(super) sealer: Arc<Sealer>,
    pub(super) runtime: Arc<dyn Runtime>,
    /// The largest value read, in bytes.
    pub(super) limit: u64,
    pub(super) decode: Decode,
}

impl ValueReader {
    /// The value that a body of these fields holds.
    pub(super) fn value<'a>(
        &'a self,
        status: u16,
        headers: &dyn HeaderFields,
        body: Body,
    ) -> impl Future<Output = Result<Opaque, String>> + Send + use<'a> {
        // Fields may not be shared between threads: they are read at once.
        let none = headers.field("content-type").as_deref() == Some(NONE.as_bytes());
        let content_type = if none { Some(NONE) } else { self.decode.content_type };
        let plain = self.sealer.unseal(&*self.runtime, &self.key, content_type, headers, body);
        async move {
            if status != VALUE {
                return Err("it is no value".to_owned());
            }
            let plain = plain.await.map_err(|why| why.to_string())?;
            let Some(decode) = &self.decode.decode else {
                return if none { Err("it is none".to_owned()) } else { Ok(Box::new(plain) as Opaque) };
            };
            // What is stored is within the limit, what was compressed within that of sealing.
            let bytes = plain.into_bytes(u64::MAX).await.map_err(|why| why.to_string())?;
            decode((!none).then_some(&bytes)).map_err(|why| why.to_string())
        }
    }

    async fn entry(self, entry: StoredResponse) -> Result<StoredResponse, String> {
        if self.decode.decode.is_none() {
            if entry.headers.has("content-type") {
                return Err("it is of a type".to_owned());
            }
            if !self.sealer.has_to_open(&*entry.headers) {
                // Its bytes may be a stream, which is read by whoever wants it.
                return Ok(entry);
            }
        }
        let StoredResponse { head, headers, body } = entry;
        let body = if body.try_clone().is_some() {
            body
        } else {
            let buffered = within(&*self.runtime, Some(LIMIT), Box::pin(body.buffer(self.limit))).await;
            buffered.ok_or("its bytes did not come in time")?.map_err(|why| why.to_string())?
        };
        let copy = body.try_clone().ok_or("its bytes cannot be read")?;
        if head.length.is_some_and(|length| copy.len() != Some(length)) {
            return Err("it is not of the length stored".to_owned());
        }
        let value = self.value(head.status, &*headers, copy).await?;
        Ok(StoredResponse { head, headers, body: Read::body(body, value) })
    }
}

impl Reader for ValueReader {
    fn read(&self, entry: StoredResponse) -> BoxFuture<'static, Result<StoredResponse, String>> {
        Box::pin(self.clone().entry(entry))
    }
}
