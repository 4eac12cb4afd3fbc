//! Maps by the names of entries.

use super::key::KeyName;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by name.
pub(crate) type NameMap<T> = HashMap<KeyName, T, BuildHasherDefault<NameHasher>>;

/// A key's name is a digest already: its first bytes are as good a hash as any.
#[derive(Default)]
pub(crate) struct NameHasher(u64);

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().take(8) {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
