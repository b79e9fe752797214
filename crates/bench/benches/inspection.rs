//! The cost of running a snippet and of describing its value.

#![allow(missing_docs, reason = "criterion makes public functions")]

use criterion::{Criterion, criterion_group, criterion_main};
use vmruntime::bench_support::Scope;

const PREPARED: &str = "
    const many = Array.from({ length: 10000 }, (_, index) => ({ index, name: 'name ' + index }));
    const deep = JSON.parse('{\"a\":'.repeat(50) + '1' + '}'.repeat(50));
    const wide = Object.fromEntries(many.slice(0, 1000).map(({ index, name }) => [name, [index]]));
    const text = 'a line of text\\n'.repeat(10000);
    const map = new Map(many.map(({ index, name }) => [name, new Set([index])]));
    const error = new TypeError('no', { cause: new Error('because') });
    0";

fn values(criterion: &mut Criterion) {
    let mut scope = Scope::new().expect("an engine");
    scope.evaluate(PREPARED).expect("prepared values");
    let mut group = criterion.benchmark_group("a snippet and its value");
    for name in ["1 + 1", "many", "deep", "wide", "text", "map", "error"] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| scope.evaluate(name).expect("a value"));
        });
    }
    group.finish();
}

criterion_group!(benches, values);
criterion_main!(benches);
