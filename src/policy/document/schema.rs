//! The JSON Schema (draft 2020-12) of documents.

use super::fields::{BASES, PATH, POLICY, QUERY, TABLE};
use super::kind::{Field, Kind};
use super::node::Node;
use super::units::{BYTES_PATTERN, TIME_PATTERN};

/// The JSON Schema of documents, which editors complete and check them by. It says no more than
/// [`Document::parse`](super::Document::parse) obeys; a few things only that function sees, such as times over ten years.
///
/// ```
/// assert!(layercake::policy::document::schema().contains("https://json-schema.org/draft/2020-12/schema"));
/// ```
#[must_use]
pub fn schema() -> String {
    let bases = || BASES.iter().map(property).chain(POLICY.iter().map(property));
    let path = Node::Object(vec![text_pair("type", "string"), text_pair("pattern", "^/"), about(&PATH)]);
    let from_policy = |name: &str| (name.to_owned(), reference(&["policy/properties/", name].concat()));
    let rule = std::iter::once((PATH.name.to_owned(), path)).chain(bases().map(|(name, _)| from_policy(&name)));
    let definitions = Node::object([
        ("policy", policy(bases().collect(), &[])),
        ("rule", policy(rule.collect(), &[PATH.name])),
        ("query", query()),
        ("time", measure(TIME_PATTERN, "number")),
        ("bytes", measure(BYTES_PATTERN, "integer")),
    ]);
    let mut schema = vec![
        text_pair("$schema", "https://json-schema.org/draft/2020-12/schema"),
        text_pair("title", "layercake"),
        text_pair("description", "The route table of a cache."),
    ];
    schema.extend(object(TABLE.iter().map(property).collect(), &["app", "version"]));
    schema.push(("$defs".to_owned(), definitions));
    let text = serde_json::to_string_pretty(&Node::Object(schema)).unwrap_or_default();
    text + "\n"
}

fn text_pair(name: &str, text: &str) -> (String, Node) {
    (name.to_owned(), Node::text(text))
}

fn reference(name: &str) -> Node {
    Node::object([("$ref", Node::text(["#/$defs/", name].concat()))])
}

fn texts(words: &[&str]) -> Node {
    Node::List(words.iter().map(|word| Node::text(*word)).collect())
}

fn list_of(items: Node) -> Vec<(String, Node)> {
    vec![text_pair("type", "array"), ("items".to_owned(), items)]
}

/// An object with these properties and no other.
fn object(properties: Vec<(String, Node)>, required: &[&str]) -> Vec<(String, Node)> {
    let mut schema = vec![text_pair("type", "object")];
    if !required.is_empty() {
        schema.push(("required".to_owned(), texts(required)));
    }
    schema.push(("additionalProperties".to_owned(), Node::Bool(false)));
    schema.push(("properties".to_owned(), Node::Object(properties)));
    schema
}

/// A policy has one base.
fn policy(properties: Vec<(String, Node)>, required: &[&str]) -> Node {
    let mut schema = object(properties, required);
    let bases = BASES.iter().map(|base| Node::object([("required", texts(&[base.name]))]));
    schema.push(("oneOf".to_owned(), Node::List(bases.collect())));
    Node::Object(schema)
}

/// One way at most to say which parameters count.
fn query() -> Node {
    let ways: Vec<&str> = QUERY.iter().filter(|way| !matches!(way.kind, Kind::Switch(_))).map(|way| way.name).collect();
    let pairs =
        ways.iter().enumerate().flat_map(|(place, one)| ways[place + 1..].iter().map(move |other| [*one, *other]));
    let two = pairs.map(|pair| Node::object([("required", texts(&pair))]));
    let mut options = object(QUERY.iter().map(property).collect(), &[]);
    options.push(("not".to_owned(), Node::object([("anyOf", Node::List(two.collect()))])));
    Node::object([(
        "anyOf",
        Node::List(vec![Node::object([("enum", texts(&["whole", "ignored"]))]), Node::Object(options)]),
    )])
}

fn measure(pattern: &str, number: &str) -> Node {
    let text = Node::object([("type", Node::text("string")), ("pattern", Node::text(pattern))]);
    let number = Node::object([("type", Node::text(number)), ("minimum", Node::number(0))]);
    Node::object([("anyOf", Node::List(vec![number, text]))])
}

fn about<T>(field: &Field<T>) -> (String, Node) {
    let mut text = field.about.to_owned();
    if !field.default.is_empty() {
        text = format!("{text} Default: {}.", field.default);
    }
    ("description".to_owned(), Node::Text(text))
}

fn property<T>(field: &Field<T>) -> (String, Node) {
    let mut schema = value(&field.kind);
    schema.push(about(field));
    (field.name.to_owned(), Node::Object(schema))
}

fn value<T>(kind: &Kind<T>) -> Vec<(String, Node)> {
    let refers = |name: &str| vec![text_pair("$ref", &["#/$defs/", name].concat())];
    match kind {
        Kind::Time(_) => refers("time"),
        Kind::Bytes(_) => refers("bytes"),
        Kind::Count(least, most, _) => {
            let mut schema = vec![text_pair("type", "integer"), ("minimum".to_owned(), Node::number(*least))];
            schema.extend((*most < u64::MAX).then(|| ("maximum".to_owned(), Node::number(*most))));
            schema
        }
        Kind::Switch(_) => vec![text_pair("type", "boolean")],
        Kind::Yes(_) => vec![("const".to_owned(), Node::Bool(true))],
        Kind::Text(_) => vec![text_pair("type", "string")],
        Kind::Names(_) => list_of(Node::object([("type", Node::text("string"))])),
        Kind::Word(words, _) => vec![("enum".to_owned(), texts(words))],
        Kind::Words(words, _) => list_of(Node::object([("enum", texts(words))])),
        Kind::Statuses(_) => vec![
            text_pair("type", "object"),
            ("additionalProperties".to_owned(), Node::Bool(false)),
            ("patternProperties".to_owned(), Node::object([("^[2-5][0-9][0-9]$", reference("time"))])),
        ],
        Kind::Group(fields) => object(fields.iter().map(property).collect(), &[]),
        Kind::Query(_) => refers("query"),
        Kind::Policy(_) => refers("policy"),
        Kind::Rules(_) => list_of(reference("rule")),
    }
}
