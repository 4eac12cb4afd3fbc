//! The head of an entry as text.

use layercake::entry::wire;
use layercake_bench_native::measure::{Group, criterion};
use layercake_bench_native::wire::{fields, head};
use std::hint::black_box;

fn main() {
    let (mut c, head) = (criterion(), head());
    let text = wire::encode(&head, fields());
    let _ = Group::of_bytes(&mut c, "wire: a head with its 9 fields", text.len())
        .run("encode", || wire::encode(black_box(&head), fields()))
        .run("decode", || wire::decode(black_box(text.as_bytes())))
        .run("decode_head", || wire::decode_head(black_box(text.as_bytes())));
    c.final_summary();
}
