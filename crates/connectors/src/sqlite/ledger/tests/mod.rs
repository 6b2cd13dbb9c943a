//! Tests of the ledger: every record reads back, commits are atomic and durable, unfit files are named, and an audit
//! that somebody changed is found.

mod audit;
mod comparisons;
mod crash;
mod dead_letters;
mod files;
mod letters;
mod records;
mod tenant_counts;

use std::path::Path;

use syncline_engine::ledger::{CountKey, Counts, DeadLetter, LetterState};
use syncline_engine::position::StoredPosition;
use syncline_engine::version::Version;

use super::SqliteLedger;

fn open(data: &Path) -> SqliteLedger {
    SqliteLedger::exclusive(data).unwrap()
}

fn position(number: u64) -> StoredPosition {
    StoredPosition {
        version: Version::from_number(0, number),
        token: format!("{{\"n\":{number}}}"),
        text: format!("at {number}"),
    }
}

fn counted(sink: &str, table: &str, applied: u64) -> (CountKey, Counts) {
    let key = CountKey { sink: sink.into(), table: table.into() };
    (key, Counts { accepted: applied, applied, ..Counts::default() })
}

fn letter(id: &str, number: u64) -> DeadLetter {
    DeadLetter {
        id: 0,
        pipeline: "shop".into(),
        sink: "search".into(),
        table: "shop.cases".into(),
        target: "search".into(),
        address_target: "cases".into(),
        address_id: id.into(),
        key: format!("{{\"id\":\"{id}\"}}"),
        error: "SYN-1601".into(),
        message: "mapper_parsing_exception".into(),
        attempts: 1,
        first_at: 1000 + number as i64,
        last_at: 1000 + number as i64,
        version: Version::from_number(0, number),
        change: "{}".into(),
        original: vec![0, 255, number as u8],
        tenant: None,
        state: LetterState::Waiting,
    }
}
