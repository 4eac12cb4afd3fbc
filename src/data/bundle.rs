//! Values that belong together, under one key: one operation reads all of them, and they change together.
//!
//! The bytes of a bundle are the digit `1`, and then for the codec's content type, and for the name and the bytes of each member in the order
//! of their names, the length in decimal, `:` and the bytes.

use super::codec::{Codec, CodecError, Json};
use super::error::{DataError, LoadError};
use super::load::{Given, Load, Opaque};
use super::policy::{DataPolicy, Ttl};
use super::read::{Decode, Undecoded};
use super::{DataCache, Loaded, unkept};
use crate::body::Body;
use crate::engine::Read;
use crate::policy::DataKey;
use crate::semantics::decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

/// What is together under one key.
///
/// ```
/// use layercake::data::{Bundle, Json};
///
/// let mut tenant = Bundle::new(Json);
/// tenant.insert("plan", &"gold")?;
/// tenant.insert("seats", &25)?;
/// assert_eq!(tenant.get::<u32>("seats")?, Some(25));
/// assert_eq!(tenant.get::<u32>("colour")?, None);
/// # Ok::<(), layercake::data::CodecError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle<C: Codec = Json> {
    codec: C,
    members: BTreeMap<Box<str>, Vec<u8>>,
}

const CONTENT_TYPE: &str = "application/x-layercake-bundle";

/// What a store takes under one key: a value of Workers KV.
const LIMIT: u64 = 25 << 20;

impl<C: Codec> Bundle<C> {
    /// An empty one.
    #[must_use]
    pub const fn new(codec: C) -> Self {
        Self { codec, members: BTreeMap::new() }
    }

    /// Puts a value in under a name, in place of what is there.
    ///
    /// # Errors
    ///
    /// When the codec cannot write it; the bundle is then as it was.
    pub fn insert<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), CodecError> {
        let bytes = self.codec.encode(value)?;
        self.members.insert(name.into(), bytes);
        Ok(())
    }

    /// The value under a name, if there is one.
    ///
    /// # Errors
    ///
    /// When it is of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, CodecError> {
        self.members.get(name).map(|bytes| self.codec.decode(bytes)).transpose()
    }

    /// Takes the value under a name out. Whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.members.remove(name).is_some()
    }

    /// The names there are, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(|name| &**name)
    }

    /// Its size in bytes, before compression.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.to_bytes().len() as u64
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = b"1".to_vec();
        let mut part = |bytes: &[u8]| {
            out.extend_from_slice(decimal(bytes.len() as u64).as_bytes());
            out.push(b':');
            out.extend_from_slice(bytes);
        };
        part(C::CONTENT_TYPE.as_bytes());
        for (name, bytes) in &self.members {
            part(name.as_bytes());
            part(bytes);
        }
        out
    }

    fn of_bytes(codec: C, bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(b"1")?;
        let of = next(&mut rest)?;
        if of != C::CONTENT_TYPE.as_bytes() {
            return None;
        }
        let mut members = BTreeMap::new();
        while !rest.is_empty() {
            let name = std::str::from_utf8(next(&mut rest)?).ok()?;
            members.insert(name.into(), next(&mut rest)?.to_vec());
        }
        Some(Self { codec, members })
    }

    fn checked(&self) -> Result<Vec<u8>, DataError> {
        let bytes = self.to_bytes();
        let size = bytes.len() as u64;
        if size > LIMIT { Err(DataError::Bundle { size, limit: LIMIT }) } else { Ok(bytes) }
    }
}

/// The next part, taken off the front.
fn next<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let colon = rest.iter().take(11).position(|b| *b == b':')?;
    let (digits, behind) = (rest.get(..colon)?, rest.get(colon + 1..)?);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let (part, after) = behind.split_at_checked(length)?;
    *rest = after;
    Some(part)
}

impl<C: Codec> DataCache<C> {
    fn decode_bundle(&self) -> Decode {
        let codec = self.codec.clone();
        let decode = move |bytes: Option<&[u8]>| {
            let bundle = bytes.and_then(|bytes| Bundle::of_bytes(codec.clone(), bytes));
            bundle.map(|bundle| Box::new(bundle) as Opaque).ok_or(Undecoded::None)
        };
        Decode { content_type: Some(CONTENT_TYPE), decode: Some(Arc::new(decode)) }
    }

    /// An empty bundle in this cache's codec.
    #[must_use]
    pub fn bundle(&self) -> Bundle<C> {
        Bundle::new(self.codec.clone())
    }

    /// The bundle under `key`, if it is kept and fresh.
    pub async fn get_bundle(&self, key: &DataKey) -> Option<Bundle<C>> {
        let shelf = &*self.shelf;
        let entry = shelf.cache.find_value(shelf.to_read(key, &shelf.base, self.decode_bundle()).0).await?;
        Read::take(entry.body).ok()?.downcast().ok().map(|bundle| *bundle)
    }

    /// The bundle under `key`, kept or else loaded, as [`get_or_fetch`](Self::get_or_fetch). One of more than 25 MiB comes back and is not
    /// kept.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_or_fetch_bundle<E, F, Fut>(
        &self,
        key: &DataKey,
        policy: &DataPolicy,
        loader: F,
    ) -> Result<Bundle<C>, LoadError<E>>
    where
        E: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded<Bundle<C>>, E>> + Send + 'static,
    {
        let load: Load = Box::new(move || {
            let loading = loader();
            Box::pin(async move {
                let Loaded { value, lifetime, tags } = loading.await.map_err(|error| Box::new(error) as Opaque)?;
                let bytes = value
                    .checked()
                    .map_err(|why| CodecError::Encode { form: "a bundle", reason: why.to_string().into() });
                Ok(Given {
                    bytes: bytes.map(|bytes| Some(Body::from(bytes))),
                    value: Some(Box::new(value)),
                    lifetime,
                    tags,
                })
            })
        });
        self.shelf.load_as(key, policy, self.decode_bundle(), load).await
    }

    /// Keeps a bundle for `ttl`, as [`set`](Self::set).
    ///
    /// # Errors
    ///
    /// As there; and when it is larger than the 25 MiB that Workers KV takes under one key.
    pub async fn set_bundle(&self, key: &DataKey, bundle: &Bundle<C>, ttl: impl Into<Ttl>) -> Result<(), DataError> {
        let shelf = &*self.shelf;
        let policy = shelf.base.clone().lasting(ttl.into());
        shelf.put(key, &policy, Some(CONTENT_TYPE), bundle.checked()?.into()).await
    }

    /// Changes the bundle under `key`, or an empty one where none is kept, and keeps it for `ttl`. Each tier is asked for the newest. Stores
    /// have no way to do so in one step: of two that change it at about the same time, within a minute in different data centres, the
    /// later one wins, with all it has.
    ///
    /// # Errors
    ///
    /// As [`set_bundle`](Self::set_bundle); when KV does not say what it has, or that cannot be read; and what `change` says is wrong. Nothing is
    /// then changed.
    pub async fn update_bundle<E: From<DataError>>(
        &self,
        key: &DataKey,
        ttl: impl Into<Ttl>,
        change: impl FnOnce(&mut Bundle<C>) -> Result<(), E>,
    ) -> Result<Bundle<C>, E> {
        let shelf = &*self.shelf;
        let (wanted, _) = shelf.to_read(key, &shelf.base, self.decode_bundle());
        let stored = shelf.cache.newest_value(wanted).await.map_err(|why| unkept(key, &shelf.base, &why))?;
        let stored = stored.and_then(|entry| Read::take(entry.body).ok()?.downcast().ok());
        let mut bundle = stored.map_or_else(|| self.bundle(), |bundle| *bundle);
        change(&mut bundle)?;
        self.set_bundle(key, &bundle, ttl).await?;
        Ok(bundle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_version_1_are_frozen() {
        let mut bundle = Bundle::new(Json);
        bundle.insert("b", "text").unwrap();
        bundle.insert("a", &[1, 2]).unwrap();
        let bytes = bundle.to_bytes();
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), "116:application/json1:a5:[1,2]1:b6:\"text\"");
        assert_eq!(Bundle::of_bytes(Json, &bytes), Some(bundle));
    }

    #[test]
    fn what_is_cut_or_foreign_is_none() {
        let mut bundle = Bundle::new(Json);
        bundle.insert("name", "value").unwrap();
        let bytes = bundle.to_bytes();
        let empty = Bundle::<Json>::default().to_bytes().len();
        for end in (0..bytes.len()).filter(|end| *end != empty) {
            assert!(Bundle::of_bytes(Json, &bytes[..end]).is_none(), "cut at {end}");
        }
        for text in ["", "2", "1", "116:application/jsonx", "11:x", "116:application/json99999999999:", "1+6:applic"] {
            assert!(Bundle::of_bytes(Json, text.as_bytes()).is_none(), "{text}");
        }
    }
}
