//! The values: rows as a database would give them, in 160 bytes of JSON each.

use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub struct Row {
    id: usize,
    name: String,
    category: String,
    price_cents: u32,
    is_there: bool,
    text: String,
}

pub fn load(rows: usize, n: usize) -> Vec<Row> {
    let row = |i: usize| Row {
        id: 100_000 + 1000 * n + i,
        name: format!("Product {i:04} of {n:08}"),
        category: "equipment".to_owned(),
        price_cents: 10_000 + i as u32,
        is_there: i % 7 < 5,
        text: "Steel burrs, forty clicks, 30 g.".to_owned(),
    };
    (0..rows).map(row).collect()
}
