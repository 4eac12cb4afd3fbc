//! How the benches measure: short, one after the other.

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use std::time::Duration;

/// Criterion as all benches set it.
#[must_use]
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(700))
        .configure_from_args()
}

/// Candidates to be compared; where other crates take part one of theirs comes last.
pub struct Group<'a>(BenchmarkGroup<'a, WallTime>);

impl<'a> Group<'a> {
    /// A group whose candidates go through so many `bytes` each time.
    pub fn of_bytes(criterion: &'a mut Criterion, title: &str, bytes: usize) -> Self {
        Self::with(criterion, title, Throughput::Bytes(bytes as u64))
    }

    /// A group whose candidates do one thing each time.
    pub fn new(criterion: &'a mut Criterion, title: &str) -> Self {
        Self::with(criterion, title, Throughput::Elements(1))
    }

    fn with(criterion: &'a mut Criterion, title: &str, throughput: Throughput) -> Self {
        let mut group = criterion.benchmark_group(title);
        group.throughput(throughput);
        Self(group)
    }

    #[must_use]
    pub fn run<T>(mut self, name: &str, mut work: impl FnMut() -> T) -> Self {
        self.0.bench_function(name, |bencher| bencher.iter(&mut work));
        self
    }

    /// With something made for each time, which is not measured; nor is what becomes of the outcome.
    #[must_use]
    pub fn run_with<I, T>(mut self, name: &str, mut make: impl FnMut() -> I, mut work: impl FnMut(I) -> T) -> Self {
        self.0.bench_function(name, |bencher| bencher.iter_batched(&mut make, &mut work, BatchSize::SmallInput));
        self
    }
}
