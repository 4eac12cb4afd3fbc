//! What of a request counts under a policy.

use super::cookies;
use super::key::{KeyPart, Keyed};
use super::path::PathKey;
use super::query::QueryKey;
use crate::message::RequestView;
use crate::semantics::Fields;
use crate::semantics::vary::{Narrow, selecting_value};
use std::fmt;
use std::sync::Arc;

/// What enters the key. The names of each list are sorted, and none is there twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keyer {
    pub(crate) query: QueryKey,
    pub(crate) path: PathKey,
    pub(crate) shared_between_hosts: bool,
    /// Answers are stored and given with the cookies that they set, so that policies that do not must not find them.
    pub(crate) replays_cookies: bool,
    pub(crate) headers: Vec<Box<str>>,
    pub(crate) cookies: Vec<Box<str>>,
    pub(crate) values: Vec<Box<str>>,
}

/// A function that has a value for a request, or none.
type Compute = dyn Fn(&dyn RequestView) -> Option<String> + Send + Sync;

/// A value that the owner computes from requests, by its name.
#[derive(Clone)]
pub(crate) struct Computed {
    pub(crate) name: Box<str>,
    pub(crate) compute: Arc<Compute>,
}

impl fmt::Debug for Computed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What requests have of the values that the owner computes, by name.
pub(crate) type Values = Vec<(Box<str>, Option<Box<str>>)>;

/// Adds `names` to a sorted list.
pub(crate) fn add(list: &mut Vec<Box<str>>, names: impl IntoIterator<Item = Box<str>>) {
    for name in names {
        if let Err(place) = list.binary_search(&name) {
            list.insert(place, name);
        }
    }
}

impl Keyer {
    /// Whether the request field of that name, in lower case, counts.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|header| **header == *name)
    }

    /// Whether more counts than the target.
    pub(crate) const fn is_beyond_the_target(&self) -> bool {
        !(self.headers.is_empty() && self.cookies.is_empty() && self.values.is_empty())
    }

    /// What counts of a target.
    pub(crate) fn keyed<'r>(
        &self,
        (scheme, authority): (&'r str, &'r str),
        path: &'r str,
        query: Option<&'r str>,
        parts: &'r [KeyPart],
    ) -> Keyed<'r> {
        Keyed {
            scheme,
            authority,
            by_host: !self.shared_between_hosts,
            path: self.path.apply(path),
            query: self.query.apply(query),
            parts,
        }
    }

    /// What counts beside the target; `None` when a value cannot be computed, so that nobody can tell who may share the answer.
    #[inline(never)]
    pub(crate) fn parts(&self, narrow: &[Narrow], request: &dyn Fields, values: &Values) -> Option<Vec<KeyPart>> {
        let mut parts = Vec::new();
        let kinds = [("cookie:", &self.cookies), ("header:", &self.headers), ("value:", &self.values)];
        for (place, (kind, names)) in kinds.into_iter().enumerate() {
            for name in names {
                let value = match place {
                    0 => request.field("cookie").and_then(|field| cookies::value(&field, name)),
                    1 => match narrow.iter().find(|narrow| *narrow.field() == **name) {
                        Some(narrow) => Some(narrow.choose(request.field(name).as_deref()).into()),
                        None => selecting_value(request, name),
                    },
                    _ => {
                        let (_, value) = values.iter().find(|(other, _)| other == name)?;
                        Some(value.clone()?)
                    }
                };
                parts.push(([kind, name].concat().into_boxed_str(), value));
            }
        }
        if self.replays_cookies {
            parts.push(("with:set-cookie".into(), None));
        }
        Some(parts)
    }
}
