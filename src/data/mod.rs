//! Floor 4. Values of the application's own types, in the same tiers as answers: how their bytes are made.

#[allow(dead_code, reason = "for the cache of typed values")]
mod absent;
pub mod codec;
#[cfg(feature = "encryption")]
mod keyring;
#[allow(dead_code, reason = "for the cache of typed values")]
mod seal;

#[cfg(feature = "postcard")]
pub use codec::Postcard;
pub use codec::{Codec, CodecError, Json};
#[cfg(feature = "encryption")]
pub use keyring::{Keyring, KeyringError};
pub use seal::SealError;
