//! From JSON to settings, keeping a list of what is wrong.

use super::error::{DocumentError, Place};
use super::fields::{BASES, PATH, POLICY, QUERY, Query};
use super::kind::{Field, Kind, TIME};
use super::node::{Node, shortened};
use super::suggest;
use super::{Document, units};
use crate::policy::{Policy, QueryKey};
use std::collections::HashSet;
use std::time::Duration;

/// What settings are made on.
pub(super) trait Draft {
    /// What would have been taken, when the last setting cannot be meant.
    fn complaint(&mut self) -> Option<&'static str> {
        None
    }
}

impl Draft for Document {}

impl Draft for Query {}

impl Draft for Policy {
    fn complaint(&mut self) -> Option<&'static str> {
        self.terms.problem.take().map(|problem| problem.expected)
    }
}

impl Draft for Vec<Policy> {
    fn complaint(&mut self) -> Option<&'static str> {
        self.last_mut().and_then(Draft::complaint)
    }
}

/// The fields of an object.
type Fields = [(String, Node)];

/// Reads and remembers what is wrong.
pub(super) struct Reader {
    pub(super) errors: Vec<DocumentError>,
    place: Place,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { errors: Vec::new(), place: Place::Table }
    }

    pub(super) fn refuse(&mut self, field: &str, node: &Node, expected: impl Into<String>) {
        let (field, expected) = (shortened(field), expected.into());
        self.errors.push(DocumentError::Value { place: self.place.clone(), field, value: node.brief(), expected });
    }

    pub(super) fn missing(&mut self, field: &'static str, expected: String) {
        self.errors.push(DocumentError::Missing { place: self.place.clone(), field, expected });
    }

    fn unknown(&mut self, prefix: &str, name: &str, names: impl Iterator<Item = &'static str>) {
        let suggestion = suggest::nearest(name, names).map(str::to_owned);
        let field = shortened(&[prefix, name].concat());
        self.errors.push(DocumentError::UnknownField { place: self.place.clone(), field, suggestion });
    }

    /// The fields without those that are there twice.
    fn once<'f>(&mut self, fields: &'f Fields, prefix: &str) -> Vec<&'f (String, Node)> {
        let mut seen = HashSet::new();
        let mut once = Vec::new();
        for field in fields {
            if seen.insert(field.0.as_str()) {
                once.push(field);
            } else {
                let field = shortened(&[prefix, &field.0].concat());
                self.errors.push(DocumentError::Twice { place: self.place.clone(), field });
            }
        }
        once
    }

    /// Makes the settings of an object whose fields are those of `table`. `prefix` stands before their names in errors.
    pub(super) fn object<T: Draft>(&mut self, mut draft: T, fields: &Fields, table: &[Field<T>], prefix: &str) -> T {
        for (name, node) in self.once(fields, prefix) {
            match table.iter().find(|field| field.name == name) {
                Some(field) => draft = self.value(draft, &field.kind, node, &[prefix, name].concat()),
                None => self.unknown(prefix, name, table.iter().map(|field| field.name)),
            }
        }
        draft
    }

    /// Makes one setting; one that cannot be made is left out.
    fn value<T: Draft>(&mut self, draft: T, kind: &Kind<T>, node: &Node, name: &str) -> T {
        let (mut draft, is_taken) = match (kind, node) {
            (Kind::Time(set), _) => taken(draft, units::time(node), set),
            (Kind::Bytes(set), _) => taken(draft, units::bytes(node), set),
            (Kind::Count(least, most, set), _) => {
                taken(draft, whole(node).filter(|number| (least..=most).contains(&number)), set)
            }
            (Kind::Switch(set), _) => taken(draft, flag(node), |draft, on| if on { set(draft) } else { draft }),
            (Kind::Yes(set), _) => taken(draft, flag(node).filter(|on| *on), |draft, _| set(draft)),
            (Kind::Text(set), _) => taken(draft, text(node), set),
            (Kind::Names(set), _) => taken(draft, texts(node), |draft, names| set(draft, &names)),
            (Kind::Word(words, set), _) => taken(draft, text(node).filter(|word| words.contains(word)), set),
            (Kind::Words(words, set), _) => {
                let known = |names: &Vec<&str>| names.iter().all(|name| words.contains(name));
                taken(draft, texts(node).filter(known), |draft, names| set(draft, &names))
            }
            (Kind::Query(set), Node::Text(_) | Node::Object(_)) => match self.query(node, name) {
                Some(key) => (set(draft, key), true),
                None => return draft,
            },
            (Kind::Statuses(set), Node::Object(fields)) => return self.statuses(draft, fields, *set, name),
            (Kind::Group(table), Node::Object(fields)) => {
                return self.object(draft, fields, table, &[name, "."].concat());
            }
            (Kind::Policy(set), Node::Object(fields)) => {
                self.place = Place::Fallback;
                let policy = self.policy(fields, None);
                self.place = Place::Table;
                (set(draft, policy), true)
            }
            (Kind::Rules(set), Node::List(rules)) => (set(draft, self.rules(rules)), true),
            _ => (draft, false),
        };
        if !is_taken {
            self.refuse(name, node, kind.expected());
        } else if let Some(expected) = draft.complaint() {
            self.refuse(name, node, expected);
        }
        draft
    }

    fn statuses<T: Draft>(&mut self, mut draft: T, fields: &Fields, set: fn(T, u16, Duration) -> T, name: &str) -> T {
        for (status, node) in self.once(fields, &[name, "."].concat()) {
            let name = [name, ".", status].concat();
            let digits = status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit());
            match (status.parse().ok().filter(|_| digits), units::time(node)) {
                (None, _) => self.refuse(&name, node, "a status of three digits as the name"),
                (_, None) => self.refuse(&name, node, TIME),
                (Some(status), Some(time)) => {
                    draft = set(draft, status, time);
                    if let Some(expected) = draft.complaint() {
                        self.refuse(&name, node, expected);
                    }
                }
            }
        }
        draft
    }

    fn query(&mut self, node: &Node, name: &str) -> Option<QueryKey> {
        let fields = match node {
            Node::Text(word) if word == "whole" => return Some(QueryKey::whole()),
            Node::Text(word) if word == "ignored" => return Some(QueryKey::ignored()),
            Node::Object(fields) => fields,
            _ => {
                self.refuse(name, node, "\"whole\", \"ignored\" or an object");
                return None;
            }
        };
        let Query { mut keys, sort } = self.object(Query::default(), fields, QUERY, &[name, "."].concat());
        if keys.len() > 1 {
            self.refuse(name, node, "no more than one of keep, only, without and without_tracking");
        }
        let key = keys.pop().unwrap_or_default();
        Some(if sort { key.sort() } else { key })
    }

    fn rules(&mut self, rules: &[Node]) -> Vec<(String, Policy)> {
        let mut routes = Vec::new();
        for (place, node) in rules.iter().enumerate() {
            let path = node.field(PATH.name);
            let pattern = path.and_then(text);
            self.place = Place::Rule { rule: place + 1, pattern: pattern.map(shortened) };
            match node {
                Node::Object(fields) => {
                    match path {
                        None => self.missing(PATH.name, PATH.kind.expected()),
                        Some(path) if pattern.is_none() => self.refuse(PATH.name, path, PATH.kind.expected()),
                        Some(_) => {}
                    }
                    let policy = self.policy(fields, Some(PATH.name));
                    routes.push((pattern.unwrap_or_default().to_owned(), policy));
                }
                _ => self.refuse("", node, "an object with path and a policy"),
            }
        }
        self.place = Place::Table;
        routes
    }

    /// The policy that `fields` make, beside the field `other`.
    fn policy(&mut self, fields: &Fields, other: Option<&'static str>) -> Policy {
        let fields = self.once(fields, "");
        let (mut bases, mut given) = (Vec::new(), Vec::new());
        for (name, node) in &fields {
            if let Some(base) = BASES.iter().find(|base| base.name == name) {
                given.push(base.name);
                bases = self.value(bases, &base.kind, node, name);
            }
        }
        if given.len() != 1 {
            self.errors.push(DocumentError::Base { place: self.place.clone(), given });
        }
        let mut policy = bases.pop().unwrap_or_else(Policy::from_headers);
        let names = || BASES.iter().map(|base| base.name).chain(POLICY.iter().map(|field| field.name)).chain(other);
        for (name, node) in fields {
            if let Some(field) = POLICY.iter().find(|field| field.name == name) {
                policy = self.value(policy, &field.kind, node, name);
                let fixed = matches!(field.name, "replay_set_cookie" | "cache_ambiguous_paths");
                if fixed && policy.terms.store.to_the_letter && *node == Node::Bool(false) {
                    self.refuse(name, node, "no such field: under rfc9111 it holds and cannot be turned off");
                }
            } else if names().all(|known| known != name) {
                self.unknown("", name, names());
            }
        }
        policy
    }
}

fn taken<T, V>(draft: T, value: Option<V>, set: impl FnOnce(T, V) -> T) -> (T, bool) {
    match value {
        Some(value) => (set(draft, value), true),
        None => (draft, false),
    }
}

fn whole(node: &Node) -> Option<u64> {
    if let Node::Number(number) = node { number.as_u64() } else { None }
}

fn flag(node: &Node) -> Option<bool> {
    if let Node::Bool(on) = node { Some(*on) } else { None }
}

fn text(node: &Node) -> Option<&str> {
    if let Node::Text(text) = node { Some(text) } else { None }
}

fn texts(node: &Node) -> Option<Vec<&str>> {
    if let Node::List(items) = node { items.iter().map(text).collect() } else { None }
}
