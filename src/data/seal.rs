//! From the bytes of a value to what is stored, and back: compressed, then encrypted, and described in fields of the entry.
//!
//! | field | says |
//! | --- | --- |
//! | `content-type` | the form of the value; none for raw bytes |
//! | `layercake-coding` | `gzip`, where the bytes are compressed |
//! | `layercake-length` | how many there are without it, in decimal |
//! | `layercake-cipher` | `xchacha20poly1305;key=NAME;nonce=HEX`, where they are encrypted; the tag stands behind them |
//!
//! What is encrypted is bound to its entry. Authenticated with it are the name of the secret, preceded by its length as one byte,
//! and these parts, each preceded by its length as four bytes, big-endian: the text `layercake sealed 1`; the 32 bytes of the
//! key's digest; and for each of the first three fields `=` and its value, or nothing. Who can write to a store can bring
//! back a former value of the same key, and none from elsewhere.

#[cfg(feature = "encryption")]
use super::keyring::{Keyring, OpenError, TAG};
use crate::body::{Body, BodyError};
use crate::policy::key::CacheKey;
use crate::runtime::Runtime;
use crate::semantics::{Fields, decimal, text_of};
use std::future::Future;

const CONTENT_TYPE: &str = "content-type";
const CODING: &str = "layercake-coding";
const LENGTH: &str = "layercake-length";
const CIPHER: &str = "layercake-cipher";
const GZIP: &str = "gzip";

/// The most that is held in memory at once, in bytes: what is larger is not compressed and cannot be encrypted.
pub(crate) const LIMIT: u64 = 16 << 20;

/// Why a value is not stored, or one that is stored is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The bytes did not come.
    #[error("the value's bytes did not come: {0}")]
    Body(#[from] BodyError),
    /// There are too many of them to encrypt or decompress.
    #[error("a value of {size} bytes is more than the {limit} that can be encrypted or decompressed")]
    TooLarge {
        /// How many there are.
        size: u64,
        /// How many there may be.
        limit: u64,
    },
    /// There are no random numbers to be had: on Workers, outside a request.
    #[error("there are no random numbers to encrypt the value with")]
    Random,
    /// The value is in another form than it is read in.
    #[error("the value is stored in another form")]
    ContentType,
    /// It is compressed in a way not known here, or the fields that say so are incomplete.
    #[error("the value is compressed in a way that is not known here")]
    Coding,
    /// The host has no gzip.
    #[error("the value is compressed, and this host cannot decompress")]
    NoGzip,
    /// It breaks off, is followed by other bytes, is of another length than it should be, or something else than gzip.
    #[error("the compressed value is broken, or not of its length")]
    Compressed,
    /// It is not encrypted, and only what is encrypted is read.
    #[error("the value is not encrypted as it must be")]
    Plain,
    /// It is encrypted in a way not known here.
    #[error("the value is encrypted in a way that is not known here")]
    Cipher,
    /// It is encrypted, with a secret that is not at hand.
    #[error("the value is encrypted with a secret that is not in the keyring")]
    Key,
    /// It, or what describes it, was changed, is that of another entry, or was encrypted with another secret of that name.
    #[error("the encrypted value is not what was stored under this key")]
    Tag,
}

/// How values are compressed and encrypted.
#[derive(Clone, Debug)]
pub(crate) struct Sealer {
    /// Values of more bytes are compressed; `None`: none are.
    pub(crate) compress_above: Option<u64>,
    /// Values are encrypted.
    #[cfg(feature = "encryption")]
    pub(crate) keyring: Option<Keyring>,
    /// With a keyring, what is stored without encryption is read all the same: for as long as values of before are about.
    #[cfg(feature = "encryption")]
    pub(crate) accept_plain: bool,
}

impl Default for Sealer {
    fn default() -> Self {
        Self {
            // To decompress costs as much as the rest of a hit (0.3 ms on Workers); 13 KB less to transfer are hardly noticed.
            compress_above: Some(16 << 10),
            #[cfg(feature = "encryption")]
            keyring: None,
            #[cfg(feature = "encryption")]
            accept_plain: false,
        }
    }
}

/// A value as it is stored.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// What describes it.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// Its bytes.
    pub(crate) body: Body,
}

/// What the fields say of a value.
struct Described {
    #[cfg_attr(not(feature = "encryption"), allow(dead_code, reason = "only what is encrypted is bound to it"))]
    content_type: Option<Box<str>>,
    /// The length without compression.
    compressed: Option<u64>,
    cipher: Option<Box<str>>,
}

impl Sealer {
    /// A value as it is to be stored.
    ///
    /// Compressed is what has more bytes than `compress_above` and becomes smaller by at least an eighth, when its length is
    /// known and at most [`LIMIT`]; of a stream of unknown length nothing is read. To be encrypted a value is read whole.
    /// Bytes in Rust memory are handed over to the host.
    ///
    /// # Errors
    ///
    /// When the body fails, is encrypted and larger than [`LIMIT`], or there are no random numbers.
    pub(crate) async fn seal(
        &self,
        runtime: &dyn Runtime,
        key: &CacheKey,
        content_type: Option<&str>,
        body: Body,
    ) -> Result<Sealed, SealError> {
        if let Some(size) = body.len().filter(|size| self.encrypts() && *size > LIMIT) {
            return Err(SealError::TooLarge { size, limit: LIMIT });
        }
        let mut fields = Vec::new();
        if let Some(content_type) = content_type {
            fields.push((CONTENT_TYPE, content_type.to_owned()));
        }
        let (body, length) = self.compress(runtime, body).await?;
        if let Some(length) = length {
            fields.extend([(CODING, GZIP.to_owned()), (LENGTH, decimal(length))]);
        }
        let described = Described { content_type: content_type.map(Into::into), compressed: length, cipher: None };
        let body = self.encrypt(key, &described, &mut fields, body).await?;
        let body = match body.as_bytes() {
            Some(bytes) => runtime.adopt(bytes.clone()),
            None => body,
        };
        Ok(Sealed { fields, body })
    }

    /// The body as [`seal`](Self::seal) can take it: a buffer where it is to be read whole. One that is too large for that, or breaks off, comes back as
    /// it is, with all its bytes or failing.
    pub(crate) async fn prepared(&self, body: Body) -> Result<Body, Body> {
        let length = body.len();
        match length {
            Some(length) if self.encrypts() && length > LIMIT => Err(body),
            Some(length) if self.encrypts() || self.compresses(length) => {
                body.buffer(LIMIT).await.map_err(|_| Body::broken())
            }
            None if self.encrypts() => {
                let gathered = body.gather(LIMIT, u64::MAX).await.map_err(|_| Body::broken())?;
                if gathered.try_clone().is_some() { Ok(gathered) } else { Err(gathered) }
            }
            _ => Ok(body),
        }
    }

    /// What was sealed with this key and content type, from its fields and its bytes. It may be in Rust memory.
    ///
    /// # Errors
    ///
    /// When it is not that, or cannot be read here.
    pub(crate) fn unseal<'a>(
        &'a self,
        runtime: &'a dyn Runtime,
        key: &'a CacheKey,
        content_type: Option<&str>,
        fields: &dyn Fields,
        body: Body,
    ) -> impl Future<Output = Result<Body, SealError>> + Send + use<'a> {
        // Fields may not be shared between threads: they are read at once.
        let described = Described::of(fields, content_type);
        async move {
            let described = described?;
            let body = self.decrypt(key, &described, body).await?;
            let Some(length) = described.compressed else { return Ok(body) };
            if length > LIMIT {
                return Err(SealError::TooLarge { size: length, limit: LIMIT });
            }
            let body = body.buffer(LIMIT).await?;
            let plain = runtime.decompress(body).map_err(|_| SealError::NoGzip)?;
            // It is read no further than its length.
            let plain = plain.buffer(length).await.map_err(|_| SealError::Compressed)?;
            if plain.len() == Some(length) { Ok(plain) } else { Err(SealError::Compressed) }
        }
    }

    /// Whether bytes of these fields are something else than they are once they are opened, or nothing.
    pub(crate) fn has_to_open(&self, fields: &dyn Fields) -> bool {
        self.refuses_plain() || [CODING, LENGTH, CIPHER].iter().any(|name| fields.has(name))
    }

    fn compresses(&self, length: u64) -> bool {
        self.compress_above.is_some_and(|above| length > above) && length <= LIMIT
    }

    /// The body compressed, with its length before, if that is wanted and worth while.
    async fn compress(&self, runtime: &dyn Runtime, body: Body) -> Result<(Body, Option<u64>), SealError> {
        let Some(length) = body.len().filter(|length| self.compresses(*length)) else { return Ok((body, None)) };
        let body = body.buffer(LIMIT).await?;
        let Some(plain) = body.try_clone() else { return Ok((body, None)) };
        // Read no further than it saves an eighth.
        let most = length - length.div_ceil(8);
        Ok(match runtime.compress(body) {
            Ok(compressed) => match compressed.buffer(most).await {
                Ok(compressed) => (compressed, Some(length)),
                Err(_) => (plain, None),
            },
            Err(_) => (plain, None),
        })
    }
}

#[cfg(feature = "encryption")]
impl Sealer {
    fn encrypts(&self) -> bool {
        self.keyring.is_some()
    }

    fn refuses_plain(&self) -> bool {
        self.encrypts() && !self.accept_plain
    }

    async fn encrypt(
        &self,
        key: &CacheKey,
        described: &Described,
        fields: &mut Vec<(&'static str, String)>,
        body: Body,
    ) -> Result<Body, SealError> {
        let Some(keyring) = &self.keyring else { return Ok(body) };
        let mut bytes = Vec::from(body.into_bytes(LIMIT).await?);
        // No more than that: it may be most of the memory.
        bytes.reserve_exact(TAG);
        let cipher = keyring.seal(&described.associated(key), &mut bytes).ok_or(SealError::Random)?;
        fields.push((CIPHER, cipher));
        Ok(bytes.into())
    }

    async fn decrypt(&self, key: &CacheKey, described: &Described, body: Body) -> Result<Body, SealError> {
        let (keyring, cipher) = match (&self.keyring, &described.cipher) {
            (Some(keyring), Some(cipher)) => (keyring, cipher),
            (Some(_), None) if !self.accept_plain => return Err(SealError::Plain),
            (None, Some(_)) => return Err(SealError::Key),
            (_, None) => return Ok(body),
        };
        let limit = LIMIT + TAG as u64;
        if let Some(size) = body.len().filter(|size| *size > limit) {
            return Err(SealError::TooLarge { size, limit });
        }
        let mut bytes = Vec::from(body.into_bytes(limit).await?);
        keyring.open(cipher.as_bytes(), &described.associated(key), &mut bytes).map_err(|error| match error {
            OpenError::Cipher => SealError::Cipher,
            OpenError::Key => SealError::Key,
            OpenError::Tag => SealError::Tag,
        })?;
        Ok(bytes.into())
    }
}

#[cfg(not(feature = "encryption"))]
#[allow(clippy::unused_self, clippy::unused_async, reason = "as with encryption")]
impl Sealer {
    fn encrypts(&self) -> bool {
        false
    }

    fn refuses_plain(&self) -> bool {
        false
    }

    async fn encrypt(
        &self,
        _: &CacheKey,
        _: &Described,
        _: &mut Vec<(&'static str, String)>,
        body: Body,
    ) -> Result<Body, SealError> {
        Ok(body)
    }

    async fn decrypt(&self, _: &CacheKey, described: &Described, body: Body) -> Result<Body, SealError> {
        if described.cipher.is_some() { Err(SealError::Key) } else { Ok(body) }
    }
}

impl Described {
    fn of(fields: &dyn Fields, content_type: Option<&str>) -> Result<Self, SealError> {
        let stored = fields.field(CONTENT_TYPE);
        if stored.as_deref() != content_type.map(str::as_bytes) {
            return Err(SealError::ContentType);
        }
        let compressed = match (fields.field(CODING), fields.field(LENGTH)) {
            (None, None) => None,
            (Some(coding), Some(length)) if *coding == *GZIP.as_bytes() => Some(number(&length)?),
            _ => return Err(SealError::Coding),
        };
        let cipher = match fields.has(CIPHER).then(|| text_of(fields, CIPHER)) {
            Some(None) => return Err(SealError::Cipher),
            Some(cipher) => cipher,
            None => None,
        };
        Ok(Self { content_type: content_type.map(Into::into), compressed, cipher })
    }

    /// What is authenticated beside the bytes, but for the secret's name.
    #[cfg(feature = "encryption")]
    fn associated(&self, key: &CacheKey) -> Vec<u8> {
        let (name, check) = (key.name(), key.check());
        let length = self.compressed.map(decimal);
        let coding = self.compressed.map(|_| GZIP);
        let mut all = Vec::with_capacity(128);
        let mut part = |pieces: [&[u8]; 2]| {
            let length: usize = pieces.iter().map(|piece| piece.len()).sum();
            all.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
            for piece in pieces {
                all.extend_from_slice(piece);
            }
        };
        part([b"layercake sealed 1", b""]);
        part([&name, &check]);
        for field in [self.content_type.as_deref(), coding, length.as_deref()] {
            part(field.map_or([b"", b""], |value| [b"=", value.as_bytes()]));
        }
        all
    }
}

/// A number as [`decimal`] writes it, and no other way.
fn number(text: &[u8]) -> Result<u64, SealError> {
    let number: Option<u64> = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.filter(|number| decimal(*number).as_bytes() == text).ok_or(SealError::Coding)
}

#[cfg(all(test, feature = "encryption", feature = "gzip"))]
mod tests;
