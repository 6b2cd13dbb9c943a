//! What is held comes back, over restarts too, and what is over is forgotten.

use std::sync::Arc;

use syncline_engine::change::Origin;
use syncline_engine::schema::{Column, ColumnKind, TableSchema};
use syncline_engine::value::{OwnedValue, Value};

use super::*;
use crate::registry;

const PIPELINE: &str = "shop";

fn spot(offset: u64) -> Spot {
    Spot { epoch: 0, file: 1, offset }
}

fn change(id: i64, text: &str) -> Change {
    let column = |name: &str| Column { name: name.into(), kind: ColumnKind::Any, nullable: true };
    let mut writer = packed::Writer::new();
    writer.push(Value::Int(id));
    writer.push(Value::Text(text));
    Change {
        schema: Arc::new(TableSchema::new("shop", "cases", vec![column("id"), column("text")], vec![0])),
        operation: Operation::Update,
        before: Some(packed::partial_image(writer.finish())),
        after: None,
        version: Version::ZERO,
        before_version: Version::ZERO,
        offset: 0,
        ordinal: 0,
        origin: Origin::nobody(),
    }
}

async fn rows(known: &Known, ledger: &dyn Ledger) -> Vec<HeldRow> {
    let mut rows = Vec::new();
    for part in 0..=known.parts {
        rows.extend(decode(known.part(ledger, PIPELINE, part).await.unwrap()).unwrap());
    }
    rows
}

#[tokio::test]
async fn rows_come_back_after_a_restart_until_their_end_is_durable() {
    let data = tempfile::tempdir().unwrap();
    let ledger = registry::ledger(data.path()).unwrap();
    let mut prepared = Prepared::load(&*ledger, PIPELINE).await.unwrap();
    let long = "x".repeat(PART / 2);
    for id in 0..5 {
        if prepared.add(spot(10), &change(id, &long)).unwrap() {
            prepared.spill(&*ledger, PIPELINE).await.unwrap();
        }
    }
    prepared.pass_over(spot(10), &TableName::new("shop", "other"));
    prepared.prepare(spot(10), "a");
    prepared.keep(&*ledger, PIPELINE, Version::ZERO).await.unwrap();

    let mut prepared = Prepared::load(&*ledger, PIPELINE).await.unwrap();
    assert!(prepared.find("b", spot(99)).is_none() && prepared.find("a", spot(10)).is_none());
    let known = prepared.find("a", spot(50)).unwrap();
    assert_eq!(known.passed_over, [("shop".to_owned(), "other".to_owned())]);
    let found = rows(&known, &*ledger).await;
    let ids: Vec<_> = found.iter().map(|row| row.before.as_ref().unwrap().columns(&[0]).unwrap()).collect();
    assert_eq!(ids, (0..5).map(|id| vec![Some(OwnedValue::Int(id))]).collect::<Vec<_>>());
    let first = &found[0];
    assert_eq!(
        (first.table.to_string().as_str(), first.columns, first.operation),
        ("shop.cases", 2, Operation::Update)
    );
    assert!(first.before.as_ref().unwrap().is_partial() && first.after.is_none());

    prepared.end(known.at, spot(50));
    prepared.keep(&*ledger, PIPELINE, spot(50).version()).await.unwrap();
    let mut prepared = Prepared::load(&*ledger, PIPELINE).await.unwrap();
    assert!(prepared.find("a", spot(50)).is_some(), "its commit may come again");
    prepared.keep(&*ledger, PIPELINE, spot(51).version()).await.unwrap();
    assert!(Prepared::load(&*ledger, PIPELINE).await.unwrap().all.is_empty());
    assert_eq!(ledger.held(PIPELINE, &known.name(), 0).await.unwrap(), None);
}

#[tokio::test]
async fn a_name_that_is_used_again_is_another_transaction() {
    let data = tempfile::tempdir().unwrap();
    let ledger = registry::ledger(data.path()).unwrap();
    let mut prepared = Prepared::default();
    for (id, at) in [(1, 10), (2, 30)] {
        prepared.add(spot(at), &change(id, "")).unwrap();
        prepared.prepare(spot(at), "a");
    }
    for (end, began) in [(20, 10), (40, 30)] {
        assert_eq!(prepared.find("a", spot(end)).map(|known| known.at), Some(spot(began)));
        prepared.end(spot(began), spot(end));
    }
    prepared.keep(&*ledger, PIPELINE, Version::ZERO).await.unwrap();
    assert_eq!(ledger.property(PIPELINE, PROPERTY).await.unwrap(), None, "nothing was told in between");
    assert!(prepared.all.is_empty());
}

#[test]
fn damaged_rows_are_an_error() {
    let mut bytes = Vec::new();
    encode(&change(1, "a"), &mut bytes).unwrap();
    assert_eq!(decode(bytes.clone()).unwrap().len(), 1);
    for length in 1..bytes.len() {
        assert!(decode(bytes[..length].to_vec()).is_err(), "{length}");
    }
    bytes[0] = 9;
    assert!(decode(bytes).is_err());
}
