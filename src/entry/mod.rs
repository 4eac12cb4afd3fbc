//! Floor 1. A stored response: typed metadata beside header fields and a body that may still be the host's.

use crate::body::Body;
use crate::message::HeaderFields;
use crate::semantics::freshness::{Freshness, Timestamp};
use crate::semantics::range::Part;
use crate::semantics::validation::{Validators, strengthen};
use std::fmt;
use std::sync::Arc;

pub mod wire;

/// The metadata of a stored response: everything a decision needs, without touching header fields or body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Repeats a part of the key's digest that the entry's name does not show: another key's entry is a miss.
    pub key_check: KeyCheck,
    /// The status code.
    pub status: u16,
    /// When it was born and how long it is good for.
    pub freshness: Freshness,
    /// When it was received from the origin.
    pub received: Timestamp,
    /// Whether the response said that it may be shared with requests that carry `Authorization` (RFC 9111 section 3.5).
    pub shared: bool,
    /// The body's length in bytes, when known at the time of storing.
    pub length: Option<u64>,
    /// The purge epoch the entry was stored under.
    pub epoch: u64,
    /// The tags it can be purged by.
    pub tags: Vec<Box<str>>,
    /// The selecting request fields and the values they had (RFC 9111 section 4.1); `None` for one that was missing.
    pub selecting: Selecting,
    /// The other variants of the same target, known to the one in the primary slot.
    pub family: Family,
    /// The part of the representation it is, when it is not all of it (RFC 9111 section 3.3).
    pub part: Option<Part>,
    /// Until when L2 keeps the copy it was last given.
    pub l2_until: Timestamp,
    /// What the cache declared in the handler's place, so that it is not taken for the handler's word.
    pub declared: Declared,
}

/// Names of request fields and their values, in alphabetical order.
pub type Selecting = Vec<(Box<str>, Option<Box<str>>)>;

/// The variants of one target. Each but the first has a slot of its own, named by the family's number and the values of
/// its selecting fields; a primary slot that is filled anew begins a new family, and the old one's slots are never
/// asked again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Family {
    /// Its number; 0 for a response that does not vary.
    pub id: u64,
    /// Marks of the variants in slots of their own.
    pub others: Vec<u32>,
}

/// What the cache declared in the handler's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// `Cache-Control`.
    pub cache_control: bool,
    /// The first targeted field, for the platform's cache.
    pub target: bool,
    /// The weakness of `ETag`: the body is stored without the content coding that was tagged.
    pub weakness: bool,
}

/// Twelve bytes of the key's digest.
pub type KeyCheck = [u8; 12];

/// A stored response (RFC 9111 section 3).
pub struct StoredResponse {
    /// The metadata, shared by all copies.
    pub head: Arc<Head>,
    /// The header fields as they leave for the client, but for what is stamped per answer (`Age`, `Cache-Status`).
    pub headers: Box<dyn HeaderFields>,
    /// The body, in the very content coding that `Content-Encoding` names.
    pub body: Body,
}

impl StoredResponse {
    /// The validators as the handler knows them.
    #[must_use]
    pub fn validators(&self) -> Validators {
        let mut validators = Validators::of(&self.headers);
        if self.head.declared.weakness {
            validators.etag = validators.etag.map(|etag| strengthen(&etag).into());
        }
        validators
    }

    /// A second handle, when the body is a buffer.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        let body = self.body.try_clone()?;
        Some(Self { head: Arc::clone(&self.head), headers: self.headers.boxed_clone(), body })
    }

    /// The same head and fields around another body.
    #[must_use]
    pub fn with_body(&self, body: Body) -> Self {
        Self { head: Arc::clone(&self.head), headers: self.headers.boxed_clone(), body }
    }
}

impl fmt::Debug for StoredResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredResponse").field("head", &self.head).field("body", &self.body).finish_non_exhaustive()
    }
}
