//! What the benches measure, and what `count` counts: the same inputs and the same work.

#![forbid(unsafe_code)]

pub mod decision;
pub mod fields;
pub mod host;
pub mod key;
pub mod measure;
pub mod memory;
pub mod rivals;
pub mod walk;
pub mod wire;
