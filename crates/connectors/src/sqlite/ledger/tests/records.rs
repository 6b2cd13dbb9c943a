//! What is written reads back as it was, after reopening too, and counters add up.

use std::collections::BTreeMap;

use syncline_engine::ledger::{
    BackfillTable, Chunk, ChunkKey, Commit, CountKey, Counts, Ledger, PipelineRecord, SchemaRecord,
    TableRecord, TableState,
};
use syncline_engine::schema::{Column, ColumnKind, TableSchema};
use syncline_engine::source::Bound;
use syncline_engine::version::Version;

use super::{counted, open, position};

#[tokio::test]
async fn a_pipeline_never_seen_is_the_default() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    let PipelineRecord { epoch, checkpoints, counts, tables, marks, paused } =
        ledger.pipeline("shop").await.unwrap();
    assert_eq!((epoch, paused), (0, false));
    assert!(checkpoints.is_empty() && counts.is_empty() && tables.is_empty() && marks.is_empty());
    assert!(ledger.pipelines().await.unwrap().is_empty());
    assert_eq!(ledger.backfills("shop").await.unwrap(), (0, vec![]));
}

#[tokio::test]
async fn a_new_epoch_forgets_where_it_was_and_keeps_what_was_counted() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    let counts = vec![counted("search", "shop.cases", 10)];
    let checkpoints = vec![("search".into(), position(7))];
    ledger.commit("shop", Commit { checkpoints, counts, ..Commit::default() }).await.unwrap();
    for (table, state) in [("shop.cases", TableState::Halted), ("shop.old", TableState::Dropped)] {
        ledger.set_table("shop", table, &TableRecord::new(state)).await.unwrap();
    }
    let sweep = |run, table: &str, below| BackfillTable {
        sinks: vec!["search".into()],
        sweep: Some(below),
        ..BackfillTable::new(run, table.into())
    };
    let old = Version::new(0, 1, 5);
    let gone = sweep(1, "shop.old", old);
    for begun in [BackfillTable::new(1, "shop.other".into()), sweep(1, "shop.cases", old), gone.clone()] {
        ledger.set_backfill("shop", &begun).await.unwrap();
    }
    let plan = sweep(2, "shop.cases", Version::new(1, 0, 1));
    ledger.begin_epoch("shop", 1, std::slice::from_ref(&plan)).await.unwrap();
    drop(ledger);
    let ledger = open(data.path());
    let record = ledger.pipeline("shop").await.unwrap();
    assert_eq!((record.epoch, record.checkpoints.len()), (1, 0));
    assert_eq!(record.tables.keys().collect::<Vec<_>>(), ["shop.old"]);
    assert_eq!(record.counts.len(), 1);
    let left = ledger.backfills("shop").await.unwrap();
    assert_eq!(left, (2, vec![gone, plan]), "the sweep of a table that is gone is still to come");
}

#[tokio::test]
async fn commits_add_counts_and_replace_checkpoints() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    for round in 1..=3_u64 {
        let (key, mut counts) = counted("search", "shop.cases", 10);
        counts.filtered = BTreeMap::from([("live".to_string(), round), ("no-route".to_string(), 1)]);
        counts.dead = if round == 3 { -1 } else { 2 };
        counts.superseded = 4;
        counts.coerced = 5;
        let commit = Commit {
            checkpoints: vec![("search".into(), position(round)), (String::new(), position(round * 2))],
            counts: vec![(key, counts), counted("hot", "shop.cases", 1)],
            ..Commit::default()
        };
        ledger.commit("shop", commit).await.unwrap();
    }
    drop(ledger);
    let record = open(data.path()).pipeline("shop").await.unwrap();
    assert_eq!(record.checkpoints["search"], position(3));
    assert_eq!(record.checkpoints[""], position(6));
    let expected = Counts {
        accepted: 30,
        applied: 30,
        superseded: 12,
        filtered: BTreeMap::from([("live".into(), 6), ("no-route".into(), 3)]),
        dead: 3,
        coerced: 15,
    };
    let key = CountKey { sink: "search".into(), table: "shop.cases".into() };
    assert_eq!(record.counts[&key], expected);
    assert_eq!(record.counts.len(), 2);
}

#[tokio::test]
async fn states_epochs_pauses_and_properties_are_kept_per_pipeline() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    ledger.set_epoch("a", 3).await.unwrap();
    ledger.set_paused("b", true).await.unwrap();
    let halted = TableRecord {
        state: TableState::Halted,
        error: Some(serde_json::json!({"code": "SYN-1309"})),
        at: Version::new(0, 1, 2),
    };
    ledger.set_table("a", "shop.x", &halted).await.unwrap();
    let stale = TableRecord::new(TableState::Stale);
    ledger.set_table("a", "shop.y", &stale).await.unwrap();
    ledger.set_table("a", "shop.z", &TableRecord::new(TableState::Dropped)).await.unwrap();
    ledger.set_table("a", "shop.z", &TableRecord::new(TableState::Ok)).await.unwrap();
    ledger.set_property("a", "server_id", "5701").await.unwrap();
    ledger.set_property("a", "server_id", "5702").await.unwrap();
    let (a, b) = (ledger.pipeline("a").await.unwrap(), ledger.pipeline("b").await.unwrap());
    assert_eq!((a.epoch, a.paused, b.epoch, b.paused), (3, false, 0, true));
    assert_eq!(a.tables, BTreeMap::from([("shop.x".into(), halted), ("shop.y".into(), stale)]));
    assert!(b.tables.is_empty());
    assert_eq!(ledger.property("a", "server_id").await.unwrap().as_deref(), Some("5702"));
    assert_eq!(ledger.property("b", "server_id").await.unwrap(), None);
    assert_eq!(ledger.pipelines().await.unwrap(), ["a", "b"]);
}

fn schema_at(table: &str, number: u64, column: Option<&str>) -> SchemaRecord {
    let (database, name) = table.split_once('.').unwrap();
    let schema = column.map(|column| {
        let kind = ColumnKind::Enum { labels: vec!["a".into(), "b".into()] };
        TableSchema::new(database, name, vec![Column { name: column.into(), kind, nullable: true }], vec![0])
    });
    SchemaRecord { from: Version::from_number(1, number), schema, table: table.into(), detail: "{}".into() }
}

#[tokio::test]
async fn the_schema_history_is_ordered_and_prunes_only_what_nobody_needs() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    for (table, number, column) in
        [("s.a", 20, Some("two")), ("s.a", 10, Some("wrong")), ("s.a", 30, None), ("s.b", 5, Some("only"))]
    {
        ledger.add_schema("p", &schema_at(table, number, column)).await.unwrap();
    }
    ledger.add_schema("p", &schema_at("s.a", 10, Some("one"))).await.unwrap();
    let names = |records: Vec<SchemaRecord>| -> Vec<String> {
        let name = |r: &SchemaRecord| r.schema.as_ref().map_or("-".into(), |s| s.columns[0].name.to_string());
        records.iter().map(name).collect()
    };
    let records = ledger.schemas("p").await.unwrap();
    let kind = &records[0].schema.as_ref().unwrap().columns[0].kind;
    assert_eq!(*kind, ColumnKind::Enum { labels: vec!["a".into(), "b".into()] });
    assert_eq!(names(records), ["only", "one", "two", "-"]);
    ledger.prune_schemas("p", Version::from_number(1, 20)).await.unwrap();
    assert_eq!(names(ledger.schemas("p").await.unwrap()), ["only", "two", "-"]);
    ledger.prune_schemas("p", Version::from_number(1, 19)).await.unwrap();
    assert_eq!(names(ledger.schemas("p").await.unwrap()), ["only", "two", "-"]);
    ledger.prune_schemas("other", Version::MAX).await.unwrap();
    assert_eq!(ledger.schemas("p").await.unwrap().len(), 3);
}

#[tokio::test]
async fn chunks_remember_which_sinks_hold_them_until_the_table_is_finished() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    let mut table = BackfillTable {
        run: 2,
        table: "s.a".into(),
        sinks: vec!["search".into(), "hot".into()],
        last: Some(Bound("[9]".into())),
        estimate: 100,
        planned: false,
        sweep: Some(Version::new(1, 2, 3)),
        finished: false,
    };
    ledger.set_backfill("p", &table).await.unwrap();
    let key = |ordinal| ChunkKey { run: 2, table: "s.a".into(), ordinal };
    let first =
        Chunk { key: key(0), after: None, upto: Bound("[5]".into()), rows: 50, done: vec!["ignored".into()] };
    let after = Some(Bound("[5]".into()));
    let second = Chunk { key: key(1), after, upto: Bound("[9]".into()), rows: 50, done: vec![] };
    ledger.set_chunk("p", &second).await.unwrap();
    ledger.set_chunk("p", &first).await.unwrap();
    let done = vec![("hot".into(), key(0)), ("search".into(), key(0)), ("hot".into(), key(0))];
    ledger.commit("p", Commit { chunks: done, ..Commit::default() }).await.unwrap();
    ledger.set_chunk("p", &Chunk { rows: 51, ..first.clone() }).await.unwrap();
    let chunks = ledger.chunks("p", 2, "s.a").await.unwrap();
    let expected = Chunk { rows: 51, done: vec!["hot".into(), "search".into()], ..first };
    assert_eq!(chunks, [expected, second]);
    assert_eq!(ledger.backfills("p").await.unwrap(), (2, vec![table.clone()]));
    table.finished = true;
    ledger.set_backfill("p", &table).await.unwrap();
    assert_eq!(ledger.backfills("p").await.unwrap(), (2, vec![]));
    assert!(ledger.chunks("p", 2, "s.a").await.unwrap().is_empty());
}
