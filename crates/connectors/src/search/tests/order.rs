//! However deliveries are repeated, shuffled and cut into calls, the end is the newest version of each address. On real
//! servers, with few cases, because each is dozens of requests.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use syncline_engine::sink::{Outcome, Sink};

use super::{Bench, urls, words};

/// (id, version, whether something is there); versions of an id are made unique by their place.
type Write = (u8, u8, bool);

fn histories() -> impl Strategy<Value = (Vec<Write>, Vec<prop::sample::Index>)> {
    let writes = proptest::collection::vec((0..5u8, 1..40u8, any::<bool>()), 1..30);
    let order = proptest::collection::vec(any::<prop::sample::Index>(), 30..80);
    (writes, order)
}

async fn replay(bench: &Bench, prefix: &str, writes: &[Write], order: &[prop::sample::Index]) {
    let newest_last = |writes: &[Write]| {
        let mut newest: BTreeMap<u8, (u64, bool)> = BTreeMap::new();
        for (place, (id, version, there)) in writes.iter().enumerate() {
            let version = u64::from(*version) * 100 + place as u64;
            let entry = newest.entry(*id).or_insert((version, *there));
            *entry = (*entry).max((version, *there));
        }
        newest
    };
    let delivery = |place: usize| {
        let (id, version, there) = writes[place];
        let version = u64::from(version) * 100 + place as u64;
        let id = format!("{prefix}-{id}");
        let json = format!("{{\"v\":{version}}}");
        if there { bench.put(&id, version, &json) } else { bench.del(&id, version) }
    };
    // Everything at least once, and then again in any order.
    let mut places: Vec<usize> = order.iter().map(|index| index.index(writes.len())).collect();
    places.extend(0..writes.len());
    for chunk in places.chunks(7) {
        let mut call = BTreeMap::new();
        for place in chunk {
            // At most one delivery per address in a call, as the engine promises.
            call.insert(writes[*place].0, delivery(*place));
        }
        let left_out: Vec<_> =
            chunk.iter().filter(|p| call[&writes[**p].0].version != delivery(**p).version).collect();
        let outcomes = bench.apply(&call.into_values().collect::<Vec<_>>()).await;
        assert!(
            outcomes.iter().all(|o| matches!(o, Outcome::Applied | Outcome::Superseded)),
            "{:?}",
            words(&outcomes)
        );
        for place in left_out {
            bench.apply(&[delivery(*place)]).await;
        }
    }
    for (id, (version, there)) in newest_last(writes) {
        let expected = there.then(|| format!("{{\"v\":{version}}}"));
        assert_eq!(bench.stored(&format!("{prefix}-{id}")).await, expected, "{writes:?} {places:?}");
    }
}

#[test]
fn replays_in_any_order_end_equal() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for url in urls() {
        let bench = Bench::new(&url);
        // Not to be tried again while shrinking on a server that already has the documents: a prefix for each run.
        let mut runner = TestRunner::new(Config { cases: 8, ..Config::default() });
        let run = std::cell::Cell::new(0);
        runner
            .run(&histories(), |(writes, order)| {
                run.set(run.get() + 1);
                runtime.block_on(replay(&bench, &run.get().to_string(), &writes, &order));
                Ok(())
            })
            .unwrap();
        runtime.block_on(async {
            bench.sink.close().await.unwrap();
            bench.ask(reqwest::Method::DELETE, "/{}-000001", serde_json::Value::Null).await;
        });
    }
}
