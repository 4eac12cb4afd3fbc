use super::HeaderFields;
use crate::semantics::{Fields, decimal, joined};
use http::{HeaderMap, HeaderValue};
use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

/// The header fields of an `http` response. Copies share them until one is changed, and what is only said of an answer
/// ([`HeaderFields::stamp`]) stands beside them until somebody wants a map of his own: a hit in memory copies no field before its door
/// does.
///
/// ```
/// use layercake::message::{HeaderFields, HttpHeaders};
///
/// let mut map = http::HeaderMap::new();
/// map.insert("etag", http::HeaderValue::from_static("\"v1\""));
/// let stored = HttpHeaders::from(map);
/// let mut answer = stored.clone();
/// answer.stamp(Some(17), None);
/// assert_eq!(answer.into_map()["age"], "17");
/// assert_eq!(stored.into_map().len(), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct HttpHeaders {
    map: Arc<HeaderMap>,
    /// What is still to be said.
    age: Option<u64>,
    status: Option<String>,
}

impl From<HeaderMap> for HttpHeaders {
    fn from(map: HeaderMap) -> Self {
        Self { map: Arc::new(map), age: None, status: None }
    }
}

impl HttpHeaders {
    /// The fields as a map; copied if others have them too.
    #[must_use]
    pub fn into_map(self) -> HeaderMap {
        let mut map = Arc::unwrap_or_clone(self.map);
        map.stamp(self.age, self.status);
        map
    }

    /// The fields for changing, with all that is to be said among them.
    fn own(&mut self) -> &mut HeaderMap {
        let map = Arc::make_mut(&mut self.map);
        map.stamp(self.age.take(), self.status.take());
        map
    }
}

impl Fields for HttpHeaders {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        match (name, self.age, &self.status) {
            ("age", Some(age), _) => Some(decimal(age).into_bytes().into()),
            ("cache-status", _, Some(status)) => {
                let before = self.map.get_all(name).iter().map(HeaderValue::as_bytes);
                joined(before.chain([status.as_bytes()]))
            }
            _ => self.map.field(name),
        }
    }

    fn has(&self, name: &str) -> bool {
        let to_be_said = match name {
            "age" => self.age.is_some(),
            "cache-status" => self.status.is_some(),
            _ => false,
        };
        to_be_said || self.map.has(name)
    }

    fn names(&self) -> Vec<Box<str>> {
        let to_be_said = ["age", "cache-status"].into_iter().filter(|name| self.has(name) && !self.map.has(name));
        self.map.names().into_iter().chain(to_be_said.map(Into::into)).collect()
    }
}

impl HeaderFields for HttpHeaders {
    fn set(&mut self, name: &str, value: &str) {
        HeaderFields::set(self.own(), name, value);
    }

    fn append(&mut self, name: &str, value: &str) {
        HeaderFields::append(self.own(), name, value);
    }

    fn remove(&mut self, name: &str) {
        if self.has(name) {
            HeaderFields::remove(self.own(), name);
        }
    }

    fn stamp(&mut self, age: Option<u64>, status: Option<String>) {
        let nothing_yet = self.age.is_none() && self.status.is_none();
        if nothing_yet && Arc::strong_count(&self.map) > 1 {
            (self.age, self.status) = (age, status);
        } else {
            self.own().stamp(age, status);
        }
    }

    fn for_each(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        for (name, value) in &*self.map {
            if self.age.is_none() || *name != http::header::AGE {
                visit(name.as_str(), value.as_bytes());
            }
        }
        if let Some(age) = self.age {
            visit("age", decimal(age).as_bytes());
        }
        if let Some(status) = &self.status {
            visit("cache-status", status.as_bytes());
        }
    }

    fn boxed_clone(&self) -> Box<dyn HeaderFields> {
        Box::new(self.clone())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: [&str; 4] = ["age", "cache-status", "etag", "x-own"];

    /// What one does with fields.
    #[derive(Clone, Debug)]
    enum Step {
        Set(&'static str, u8),
        Append(&'static str, u8),
        Remove(&'static str),
        Stamp(Option<u64>, Option<u8>),
        /// A copy is taken, and kept until the end.
        Copy,
    }

    fn step() -> impl Strategy<Value = Step> {
        let name = || prop::sample::select(&NAMES[..]);
        let (age, status) = (prop::option::of(0..9_u64), prop::option::of(0..9_u8));
        prop_oneof![
            (name(), 0..9_u8).prop_map(|(name, value)| Step::Set(name, value)),
            (name(), 0..9_u8).prop_map(|(name, value)| Step::Append(name, value)),
            name().prop_map(Step::Remove),
            (age, status).prop_map(|(age, status)| Step::Stamp(age, status)),
            Just(Step::Copy),
        ]
    }

    fn take(step: &Step, fields: &mut dyn HeaderFields) {
        match step {
            Step::Set(name, value) => fields.set(name, &value.to_string()),
            Step::Append(name, value) => fields.append(name, &value.to_string()),
            Step::Remove(name) => fields.remove(name),
            Step::Stamp(age, status) => fields.stamp(*age, status.map(|status| status.to_string())),
            Step::Copy => {}
        }
    }

    /// Everything that can be read, in an order of its own: that between lines of different names has no meaning.
    fn read(fields: &dyn HeaderFields) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        fields.for_each(&mut |name, value| all.push((name.to_owned(), text(value))));
        all.sort_by(|a, b| a.0.cmp(&b.0));
        for name in NAMES {
            all.push((name.to_owned(), fields.field(name).map_or("none".into(), |value| text(&value))));
            all.push((name.to_owned(), fields.has(name).to_string()));
        }
        let mut names = fields.names();
        names.sort();
        all.extend(names.into_iter().map(|name| (name.into(), "there".into())));
        all
    }

    proptest! {
        #[test]
        fn it_is_a_map_whoever_shares_it(steps in prop::collection::vec(step(), 0..12)) {
            let (mut fields, mut map) = (HttpHeaders::default(), HeaderMap::new());
            let mut copies = Vec::new();
            for step in &steps {
                if let Step::Copy = step {
                    copies.push((fields.boxed_clone(), map.clone()));
                }
                take(step, &mut fields);
                take(step, &mut map);
                prop_assert_eq!(read(&fields), read(&map));
            }
            for (copy, map) in copies {
                prop_assert_eq!(read(&*copy), read(&map), "a copy stays what it was");
            }
            prop_assert_eq!(read(&fields.into_map()), read(&map));
        }
    }

    #[test]
    fn a_hit_copies_no_field() {
        let stored =
            HttpHeaders::from(HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("\"v1\""))]));
        let mut answer = stored.clone();
        answer.stamp(Some(1), Some("layercake; hit".into()));
        assert_eq!(answer.field("age").as_deref(), Some(&b"1"[..]));
        assert!(Arc::ptr_eq(&answer.map, &stored.map));
    }
}
