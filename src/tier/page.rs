use crate::entry::Head;
use crate::semantics::freshness::Timestamp;

/// Some of the entries a tier has, in the order of their names' bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries. A page may hold fewer than asked for, even none, and not be the last.
    pub entries: Vec<Listed>,
    /// Where the next page begins, in the tier's own words; `None`: this is the last one.
    pub cursor: Option<String>,
}

/// An entry as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name in the store ([`CacheKey::store_name`](crate::policy::CacheKey::store_name)).
    pub name: String,
    /// When the tier forgets it; `None`: it is not known.
    pub expires: Option<Timestamp>,
    /// Its head, where the tier has it without reading the entry.
    pub head: Option<Head>,
}

impl Page {
    /// The first `limit` (at least one) of `entries` behind the `cursor`, which is the name of the last one of the page
    /// before.
    pub(crate) fn of(mut entries: Vec<Listed>, cursor: Option<&str>, limit: usize) -> Self {
        entries.retain(|entry| cursor.is_none_or(|cursor| entry.name.as_str() > cursor));
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let more = entries.len() > limit.max(1);
        entries.truncate(limit.max(1));
        let cursor = entries.last().filter(|_| more).map(|last| last.name.clone());
        Self { entries, cursor }
    }
}
