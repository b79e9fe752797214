//! The cost of carrying an event's text from a session process to the daemon, without the socket.

#![allow(missing_docs, reason = "criterion makes public functions")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{json, value::to_raw_value};
use vmruntime::bench_support::carry_event;

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("an event from process to process");
    for (name, bytes) in [
        ("100 bytes", 100),
        ("50 KiB", 50 * 1024),
        ("1 MiB", 1024 * 1024),
    ] {
        let text = "x".repeat(bytes);
        let payload = to_raw_value(&json!({"level": "log", "text": text})).expect("it is JSON");
        group.throughput(Throughput::Bytes(payload.get().len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| carry_event(&payload)));
    }
    group.finish();
}

criterion_group!(benches, events);
criterion_main!(benches);
