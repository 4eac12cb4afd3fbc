//! What is kept, by the beginnings of its keys.

use super::codec::Codec;
use super::error::DataError;
use super::{DataCache, Shelf};
use crate::policy::DataKey;
use crate::semantics::freshness::Timestamp;
use crate::tier;
use futures::stream::{self, Stream};
use std::sync::Arc;
use std::vec::IntoIter;

/// A value as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key. Of a key of more than about 480 bytes it is the beginning, and `is_whole` is false.
    pub key: DataKey,
    /// Whether the key is all of it.
    pub is_whole: bool,
    /// When the store forgets it, where the store says so; it may be stale before.
    pub expires: Option<Timestamp>,
    /// The tags it carries, where the list has them.
    pub tags: Vec<Box<str>>,
    /// Its bytes as they are stored, where the list has their number.
    pub size: Option<u64>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPage {
    /// The values, in the order of their keys' bytes. There may be none and more behind them.
    pub values: Vec<Listed>,
    /// Where the list goes on; `None`: nowhere.
    pub cursor: Option<String>,
}

impl<C: Codec> DataCache<C> {
    /// Up to `limit` of the values whose keys begin with the text of `prefix`, from where the page before ended. The list is that of
    /// the furthest tier that has one (Workers KV, which bills an operation for each page of up to 1,000): it may be behind the times
    /// by a minute, and it shows what is stale.
    ///
    /// ```
    /// # async fn f(data: layercake::data::DataCache) -> Result<(), layercake::data::DataError> {
    /// use layercake::DataKey;
    ///
    /// let first = data.list_page(&DataKey::of("cache:content:"), None, 100).await?;
    /// if let Some(cursor) = &first.cursor {
    ///     let second = data.list_page(&DataKey::of("cache:content:"), Some(cursor), 100).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When no tier can list, or the one that can fails.
    pub async fn list_page(
        &self,
        prefix: &DataKey,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<ListedPage, DataError> {
        self.shelf.list(prefix, cursor, limit).await
    }

    /// All of them, page by page as the stream is read. It ends with the first error. Work that is to go on another time keeps the cursor
    /// of a [page](Self::list_page).
    ///
    /// # Errors
    ///
    /// As [`list_page`](Self::list_page).
    pub fn list(&self, prefix: &DataKey) -> impl Stream<Item = Result<Listed, DataError>> + Send + Unpin + use<C> {
        let state = Listing {
            shelf: Arc::clone(&self.shelf),
            prefix: prefix.clone(),
            ready: Vec::new().into_iter(),
            next: Next::AtFirst,
        };
        Box::pin(stream::unfold(state, Listing::step))
    }
}

/// How many a page of the stream has: what Workers KV gives at most.
const PAGE: usize = 1000;

struct Listing {
    shelf: Arc<Shelf>,
    prefix: DataKey,
    ready: IntoIter<Listed>,
    next: Next,
}

/// Where the next page begins.
enum Next {
    AtFirst,
    At(String),
    Nowhere,
}

impl Listing {
    async fn step(mut self) -> Option<(Result<Listed, DataError>, Self)> {
        loop {
            if let Some(listed) = self.ready.next() {
                return Some((Ok(listed), self));
            }
            let cursor = match std::mem::replace(&mut self.next, Next::Nowhere) {
                Next::AtFirst => None,
                Next::At(cursor) => Some(cursor),
                Next::Nowhere => return None,
            };
            match self.shelf.list(&self.prefix, cursor.as_deref(), PAGE).await {
                Ok(page) => {
                    self.ready = page.values.into_iter();
                    self.next = page.cursor.map_or(Next::Nowhere, Next::At);
                }
                Err(error) => return Some((Err(error), self)),
            }
        }
    }
}

impl Shelf {
    async fn list(&self, prefix: &DataKey, cursor: Option<&str>, limit: usize) -> Result<ListedPage, DataError> {
        let listed = self.cache.list_values(prefix.as_str(), cursor, limit).await;
        let (common, page) = listed.map_err(|why| {
            let why = why.map(|why| why.to_string());
            DataError::List(why.unwrap_or_else(|| "no tier has a list of what it keeps; bind KV".to_owned()))
        })?;
        let values = page.entries.into_iter().filter_map(|entry| listed_value(&common, entry)).collect();
        Ok(ListedPage { values, cursor: page.cursor })
    }
}

fn listed_value(common: &str, entry: tier::Listed) -> Option<Listed> {
    let tier::Listed { name, expires, head } = entry;
    let text = name.strip_prefix(common)?;
    let (key, is_whole) = DataKey::listed(text);
    let (tags, size) = head.map_or((Vec::new(), None), |head| (head.tags, head.length));
    Some(Listed { key, is_whole, expires, tags, size })
}
