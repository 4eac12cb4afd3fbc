//! What can go wrong with values.

use super::codec::CodecError;
use std::time::Duration;

/// Why there is no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The loader failed, and nothing kept may stand in.
    #[error("the loader failed: {0}")]
    Loader(E),
    /// The loader did not come to an end in time, and nothing kept may stand in.
    #[error("the loader of {key} did not end{}", within(*limit))]
    TimedOut {
        /// The value's key; of several values all their keys, joined by commas.
        key: String,
        /// The policy's limit.
        limit: Option<Duration>,
    },
    /// The loader asked for the very value that it was to load.
    #[error("the loader of {key} asks for {key} itself")]
    Recursive {
        /// The value's key.
        key: String,
    },
    /// The loader of several values gave another number of them than it was asked for.
    #[error("the loader was asked for {asked} values and gave {given}; give one for each key, in their order")]
    Count {
        /// How many keys it was given.
        asked: usize,
        /// How many values it gave.
        given: usize,
    },
}

fn within(limit: Option<Duration>) -> String {
    limit.map_or_else(|| " before its request was over".to_owned(), |limit| format!(" within {limit:?}"))
}

impl<E> LoadError<E> {
    /// The same with another error of the loader's.
    pub fn map<F>(self, change: impl FnOnce(E) -> F) -> LoadError<F> {
        match self {
            Self::Loader(error) => LoadError::Loader(change(error)),
            Self::TimedOut { key, limit } => LoadError::TimedOut { key, limit },
            Self::Recursive { key } => LoadError::Recursive { key },
            Self::Count { asked, given } => LoadError::Count { asked, given },
        }
    }

    /// The loader's own error, when it is one.
    ///
    /// # Errors
    ///
    /// This one, when it is another.
    pub fn into_loader(self) -> Result<E, Self> {
        match self {
            Self::Loader(error) => Ok(error),
            other => Err(other),
        }
    }
}

#[cfg(feature = "worker")]
impl From<LoadError<worker::Error>> for worker::Error {
    fn from(error: LoadError<worker::Error>) -> Self {
        match error.into_loader() {
            Ok(error) => error,
            Err(other) => Self::RustError(other.to_string()),
        }
    }
}

/// Why a value could not be kept, changed or listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The value cannot be written in the codec.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The value is larger than may be kept.
    #[error("the value of {key} is larger than {limit} bytes, the most that is kept; raise max_size or split it")]
    TooLarge {
        /// The value's key.
        key: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The value cannot be made ready to be stored.
    #[error("the value of {key} cannot be sealed: {why}")]
    Seal {
        /// The value's key.
        key: String,
        /// What is wrong.
        why: super::seal::SealError,
    },
    /// A tier may go on with what it had.
    #[error("{key}: {tier} did not do as told ({why}); what it had may come back until it expires")]
    Tier {
        /// The value's key.
        key: String,
        /// The tier's level.
        tier: &'static str,
        /// The trouble it had.
        why: &'static str,
    },
    /// The bytes of the value did not come.
    #[error("the bytes of {key} did not come: {why}")]
    Broken {
        /// The value's key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// No tier took the value.
    #[error("no tier took the value of {key}")]
    Nowhere {
        /// The value's key.
        key: String,
    },
    /// Not all tiers have forgotten the values.
    #[error("not all tiers have forgotten {0}; it may come back until it expires")]
    Unforgotten(String),
    /// What is kept cannot be listed.
    #[error("what is kept cannot be listed: {0}")]
    List(String),
    /// What is together under one key is too large for one operation of the store.
    #[error("the bundle of {size} bytes is larger than {limit} bytes, what a store takes under one key; split it")]
    Bundle {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The policy cannot be meant.
    #[error(transparent)]
    Policy(#[from] super::policy::PolicyError),
}

#[cfg(feature = "worker")]
impl From<DataError> for worker::Error {
    fn from(error: DataError) -> Self {
        Self::RustError(error.to_string())
    }
}
