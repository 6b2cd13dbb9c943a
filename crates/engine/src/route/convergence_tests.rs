//! Any history of a table, routed and applied in any order with repeats under the version gate, ends as the table does.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::fixture::*;
use super::*;
use crate::change::{Change, Operation};
use crate::sink::{Body, Delivery};
use crate::version::Version;

/// A row: title, whether it matches the filter, month (0: no day).
type Row = (u8, bool, u8);

#[derive(Clone, Debug)]
enum Step {
    Put(i64, Row),
    /// Another key and other values.
    Change(i64, i64, Row),
    Remove(i64),
    /// Read beside the stream.
    Read(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 1i64..5;
    let row = (0u8..3, prop::bool::weighted(0.7), prop_oneof![1 => Just(0u8), 9 => 1u8..4]);
    let step = prop_oneof![
        3 => (id.clone(), row.clone()).prop_map(|(id, row)| Step::Put(id, row)),
        4 => (id.clone(), id.clone(), row).prop_map(|(from, to, row)| Step::Change(from, to, row)),
        1 => id.clone().prop_map(Step::Remove),
        1 => id.prop_map(Step::Read),
    ];
    prop::collection::vec(step, 0..40)
}

fn image(id: i64, (title, live, month): Row) -> crate::row::RowImage {
    case(id, &format!("t{title}"), if live { "ok" } else { "gone" }, month)
}

/// Plays the steps that are possible: the changes, and the rows at the end.
fn play(steps: &[Step]) -> (Vec<Change>, BTreeMap<i64, Row>) {
    let schema = cases();
    let mut rows: BTreeMap<i64, Row> = BTreeMap::new();
    let mut changes = Vec::new();
    for step in steps {
        let (operation, before, after) = match *step {
            Step::Put(id, row) if !rows.contains_key(&id) => (Operation::Insert, None, Some((id, row))),
            Step::Put(id, row) => (Operation::Update, Some(id), Some((id, row))),
            Step::Change(from, to, row)
                if rows.contains_key(&from) && (from == to || !rows.contains_key(&to)) =>
            {
                (Operation::Update, Some(from), Some((to, row)))
            }
            Step::Remove(id) if rows.contains_key(&id) => (Operation::Delete, Some(id), None),
            Step::Read(id) if rows.contains_key(&id) => (Operation::Read, None, Some((id, rows[&id]))),
            _ => continue,
        };
        let old = before.map(|id| image(id, rows.remove(&id).unwrap()));
        let new = after.map(|(id, row)| image(id, row));
        rows.extend(after);
        let mut change = change(&schema, operation, old, new);
        let at = 10 * (changes.len() as u64 + 1);
        change.version = Version::new(0, 1, at + 5);
        change.before_version = Version::new(0, 1, if operation == Operation::Update { at } else { at + 5 });
        changes.push(change);
    }
    (changes, rows)
}

fn routes() -> RouteTable {
    let mut spec = route(
        "shop.cases",
        vec![
            target("search", TargetKind::Search, "c_{YYYY-MM}"),
            target("hot", TargetKind::Cache, "c:{id}"),
            target("lake", TargetKind::Archive, "c"),
        ],
    );
    spec.partition_by = Some("day".into());
    spec.filters = vec![when("live", "status = 'ok'")];
    table(vec![spec])
}

/// What a target with a version gate holds per address: tombstones stay.
type Store = BTreeMap<String, (Version, Option<String>)>;

fn apply(store: &mut Store, delivery: &Delivery) {
    let held = match &delivery.body {
        Body::Absent => None,
        Body::Document(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
        Body::Line(bytes) => {
            let line: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            assert_eq!(line["version"], delivery.version.to_string());
            Some(line["after"].to_string()).filter(|after| after != "null")
        }
    };
    let address =
        format!("{:?} {}/{}", delivery.plan.spec.kind, delivery.address.target, delivery.address.id);
    let slot = store.entry(address).or_insert((Version::ZERO, None));
    if delivery.version >= slot.0 {
        *slot = (delivery.version, held);
    }
}

fn expected(rows: &BTreeMap<i64, Row>) -> BTreeMap<String, String> {
    let mut expected = BTreeMap::new();
    for (id, (title, live, month)) in rows {
        let day = if *month == 0 { "null".to_owned() } else { format!("\"2026-{month:02}-01\"") };
        let document = format!("{{\"id\":{id},\"title\":\"t{title}\",\"status\":\"ok\",\"day\":{day}}}");
        if *live {
            expected.insert(format!("Cache /c:{id}"), document.clone());
            expected.insert(format!("Archive c/{id}"), document.clone());
        }
        if *live && *month > 0 {
            expected.insert(format!("Search c_2026-{month:02}/{id}"), document);
        }
    }
    expected
}

proptest! {
    #[test]
    fn every_history_ends_as_the_table(steps in steps(), order in prop::collection::vec(any::<prop::sample::Index>(), 200)) {
        let (changes, rows) = play(&steps);
        let table = routes();
        let batch = batch(changes);
        let mut out = Deliveries::default();
        let mut deliveries = Vec::new();
        for index in 0..batch.changes.len() {
            out.clear();
            table.deliver(&batch, index as u32, &mut out).unwrap();
            // Each change is accepted once per target, whatever becomes of it.
            for sink in 0..3 {
                let counted = out.items.iter().filter(|(s, d)| *s == sink && d.counted != crate::sink::Counted::No);
                let dropped = out.dropped.iter().filter(|(s, _)| *s == sink);
                let refused = out.refused.iter().filter(|(s, ..)| *s == sink);
                prop_assert_eq!(counted.count() + dropped.count() + refused.count(), 1);
            }
            deliveries.extend(out.items.drain(..).map(|(_, delivery)| delivery));
        }
        let mut store = Store::new();
        if !deliveries.is_empty() {
            order.iter().for_each(|n| apply(&mut store, &deliveries[n.index(deliveries.len())]));
        }
        deliveries.iter().rev().for_each(|delivery| apply(&mut store, delivery));
        let held: BTreeMap<String, String> =
            store.into_iter().filter_map(|(address, (_, held))| held.map(|held| (address, held))).collect();
        prop_assert_eq!(held, expected(&rows));
    }
}
