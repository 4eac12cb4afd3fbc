//! Which fields of a request the owner's functions read.

use crate::message::RequestView;
use crate::semantics::Fields;
use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

/// A request that notes which of its fields are asked for.
pub(super) struct Noting<'a> {
    request: &'a dyn RequestView,
    names: RefCell<Vec<Box<str>>>,
}

impl<'a> Noting<'a> {
    pub(super) const fn new(request: &'a dyn RequestView) -> Self {
        Self { request, names: RefCell::new(Vec::new()) }
    }

    /// The names of the fields asked for.
    pub(super) fn into_names(self) -> Vec<Box<str>> {
        self.names.into_inner()
    }

    fn note(&self, name: &str) {
        let mut names = self.names.borrow_mut();
        if names.iter().all(|other| **other != *name) {
            names.push(name.into());
        }
    }
}

impl Fields for Noting<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.note(name);
        self.request.field(name)
    }

    fn has(&self, name: &str) -> bool {
        self.note(name);
        self.request.has(name)
    }

    fn names(&self) -> Vec<Box<str>> {
        self.request.names()
    }
}

impl RequestView for Noting<'_> {
    fn method(&self) -> &str {
        self.request.method()
    }

    fn scheme(&self) -> &str {
        self.request.scheme()
    }

    fn authority(&self) -> &str {
        self.request.authority()
    }

    fn path(&self) -> &str {
        self.request.path()
    }

    fn query(&self) -> Option<&str> {
        self.request.query()
    }

    fn has_content(&self) -> bool {
        self.request.has_content()
    }

    fn path_is_settled(&self) -> bool {
        self.request.path_is_settled()
    }

    fn masks_content(&self) -> bool {
        self.request.masks_content()
    }

    fn keep_fields(&self) -> Arc<dyn Fields + Send + Sync> {
        self.request.keep_fields()
    }
}
