//! A small shop on Cloudflare Workers: products and orders in D1, a large asset, a slow report.
//!
//! `shop` is the application; it knows nothing of a cache. `bare` is its entry point as one would write it without
//! layercake, `wrapped` the same with it. The difference between those two files is all that adopting the crate takes.

mod shop;

#[cfg(not(feature = "cache"))]
mod bare;
#[cfg(feature = "cache")]
mod wrapped;
