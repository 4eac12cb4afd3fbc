//! The policy of a path among 10 and 1,000 routes.

use layercake_bench_native::key::{paths, table};
use layercake_bench_native::measure::{Group, criterion};
use std::hint::black_box;

fn main() {
    let mut c = criterion();
    for (routes, title) in [(10, "routes: 10"), (1000, "routes: 1,000")] {
        let table = table(routes, &[]);
        let group = Group::new(&mut c, title);
        let _ = paths(routes)
            .iter()
            .fold(group, |group, (name, path)| group.run(name, || table.routes().find(black_box(path)).0));
    }
    c.final_summary();
}
