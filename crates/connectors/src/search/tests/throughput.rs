//! How much the sink costs beside the same bodies sent as they are. A measurement, run by hand:
//! `cargo test -p syncline-connectors search::tests::throughput -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_util::StreamExt;
use syncline_engine::sink::{Delivery, Sink};

use super::super::bulk::bulk_path;
use super::super::encode::Encoder;
use super::{Bench, Method, Payload, at, on_each};
use crate::testing;

const ROWS: usize = 100_000;

/// Seconds of CPU that this process has used.
fn own_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn row(n: usize) -> String {
    format!(
        r#"{{"id":{n},"customer":"customer number {}","state":"shipped","price":"{}.50","created_at":"2026-01-31T12:00:00","note":"a short remark about order {n}, nothing more"}}"#,
        n % 5000,
        n % 900
    )
}

async fn timed(name: &str, work: impl Future<Output = ()>) -> (Duration, f64) {
    let (start, cpu) = (Instant::now(), own_cpu());
    work.await;
    let (taken, used) = (start.elapsed(), own_cpu() - cpu);
    let rate = ROWS as f64 / taken.as_secs_f64();
    eprintln!(
        "  {name}: {taken:.2?}, {rate:.0} rows/s, own CPU {:.2} s per million",
        used * 1e6 / ROWS as f64
    );
    (taken, used)
}

async fn run(bench: &Bench, version: u64, lanes: usize, items: usize) {
    let first = testing::document(&bench.plan, &bench.index, "0", at(1), "{}");
    let delivery = |n: usize, version| {
        let mut delivery: Delivery = first.clone();
        delivery.address.id = n.to_string().into();
        delivery.version = at(version);
        delivery.body = syncline_engine::sink::Body::Document(row(n).into());
        delivery
    };
    let calls = |version: u64| -> Vec<Vec<Delivery>> {
        let all: Vec<Delivery> = (0..ROWS).map(|n| delivery(n, version)).collect();
        all.chunks(items).map(<[Delivery]>::to_vec).collect()
    };
    let bodies: Vec<_> = calls(version)
        .iter()
        .map(|call| {
            let mut encoder = Encoder::new(BytesMut::new(), true);
            call.iter().for_each(|d| encoder.item(d));
            encoder.finish().0
        })
        .collect();
    let size: usize = bodies.iter().map(|b| b.len()).sum();
    eprintln!("  {lanes} lanes, {items} items, {} bytes a row", size / ROWS);
    let path: Arc<str> = bulk_path(Some(&bench.index)).into();
    let raw = futures_util::stream::iter(bodies).for_each_concurrent(lanes, |body| {
        let path = path.clone();
        async move {
            let reply = bench.client.send(Method::POST, &path, Payload::Lines(body)).await.unwrap();
            assert!(reply.body.starts_with(b"{\"errors\":false"));
        }
    });
    let (raw, _) = timed("raw bulks", raw).await;
    let calls = calls(version + 1);
    let ours = futures_util::stream::iter(&calls).for_each_concurrent(lanes, |call| async move {
        let outcomes = bench.sink.apply(call).await.unwrap();
        assert!(outcomes.iter().all(|o| matches!(o, syncline_engine::sink::Outcome::Applied)));
    });
    let (ours, _) = timed("the sink", ours).await;
    eprintln!("  the sink takes {:.2} of the raw bulks' time", ours.as_secs_f64() / raw.as_secs_f64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn the_sink_against_raw_bulks() {
    on_each(async |bench: Bench| {
        bench.apply(&[bench.put("warm", 1, "{}")]).await;
        // The first run warms the server.
        let shapes = [(4, 1000), (1, 1000), (2, 1000), (4, 1000), (8, 1000), (4, 250), (4, 4000)];
        for (n, (lanes, items)) in shapes.into_iter().enumerate() {
            run(&bench, 2 + 2 * n as u64, lanes, items).await;
        }
    })
    .await;
}
