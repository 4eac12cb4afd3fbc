//! D1 in three calls.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use worker::wasm_bindgen::JsValue;
use worker::{D1Database, Error, Result};

/// The database. Cloning shares it, so that loaders can take it along.
#[derive(Clone)]
pub struct Database(Arc<D1Database>);

impl Database {
    pub fn new(d1: D1Database) -> Self {
        Self(Arc::new(d1))
    }

    /// All rows of a statement with these parameters.
    pub async fn all<T: DeserializeOwned>(&self, sql: &str, parameters: &[JsValue]) -> Result<Vec<T>> {
        self.0.prepare(sql).bind(parameters)?.all().await?.results()
    }

    /// The first of them.
    pub async fn first<T: DeserializeOwned>(&self, sql: &str, parameters: &[JsValue]) -> Result<Option<T>> {
        self.0.prepare(sql).bind(parameters)?.first(None).await
    }

    /// Several statements in one round trip and one transaction, with the rows of each.
    pub async fn batch(&self, statements: &[(&str, &[JsValue])]) -> Result<Vec<worker::D1Result>> {
        let prepared = statements.iter().map(|(sql, parameters)| self.0.prepare(*sql).bind(parameters));
        self.0.batch(prepared.collect::<Result<_>>()?).await
    }
}

/// A list as one parameter, for `IN (SELECT value FROM json_each(?1))`: D1 binds at most 100.
pub fn list(values: impl Iterator<Item = impl serde::Serialize>) -> Result<JsValue> {
    let text = serde_json::to_string(&values.collect::<Vec<_>>());
    text.map(JsValue::from).map_err(|error| Error::RustError(error.to_string()))
}
