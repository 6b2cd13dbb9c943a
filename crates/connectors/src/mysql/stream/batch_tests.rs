//! Batches of rows out of transactions.

use std::sync::Arc;

use bytes::Bytes;
use syncline_engine::change::{Operation, Origin};
use syncline_engine::packed;
use syncline_engine::row::RowImage;
use syncline_engine::schema::TableSchema;
use syncline_engine::version::Version;

use super::*;
use crate::mysql::position::{Gtids, Token};
use crate::mysql::server::Identity;

fn position(offset: u64) -> Position {
    let identity = Arc::new(Identity { uid: "u".into(), server_id: 1, mariadb: false });
    let token =
        Token { file: "bin.000001".into(), offset, gtids: Arc::new(Gtids::None), identity, format: 0 };
    token.position(0).unwrap()
}

fn change(offset: u64) -> Change {
    let version = Version::new(0, 1, offset);
    Change {
        schema: Arc::new(TableSchema::new("d", "t", vec![], vec![])),
        operation: Operation::Insert,
        before: None,
        after: Some(RowImage { bytes: Bytes::new(), format: packed::format() }),
        version,
        before_version: version,
        offset,
        ordinal: 0,
        origin: Arc::new(Origin {
            server_id: 1,
            file: "bin.000001".into(),
            gtid: None,
            committed_at: offset as i64,
        }),
    }
}

fn offsets(batch: &CaptureBatch) -> (Vec<u64>, u64, u64) {
    (
        batch.changes.iter().map(|c| c.offset).collect(),
        batch.start.version.offset(),
        batch.resume.version.offset(),
    )
}

#[test]
fn whole_transactions_leave_and_the_open_one_stays() {
    let mut b = Builder::default();
    b.push(change(12), 10, || position(10));
    b.commit();
    b.push(change(22), 20, || position(20));
    b.push(change(24), 20, || position(20));
    b.commit();
    b.push(change(33), 40, || position(30));
    let batch = b.take_whole(position(30));
    assert_eq!(offsets(&batch), (vec![12, 22, 24], 10, 30));
    assert_eq!((batch.bytes, batch.source_time), (50, Some(24)));
    // The rest belongs to the transaction at 30.
    b.push(change(34), 40, || position(99));
    let piece = b.take_piece(position(30));
    assert_eq!(offsets(&piece), (vec![33, 34], 30, 30));
    assert_eq!(piece.bytes, 80);
    // Its end, without further rows, still moves the position.
    b.commit();
    assert_eq!(offsets(&b.take_whole(position(40))), (vec![], 40, 40));
    assert!(b.is_empty() && !b.has_whole());
}

#[test]
fn a_batch_is_full_by_number_or_bytes() {
    let mut b = Builder::default();
    b.push(change(1), MAX_BYTES, || position(1));
    assert!(b.full());
    let mut b = Builder::default();
    for n in 0..MAX_CHANGES as u64 {
        assert!(!b.full());
        b.push(change(n), 1, || position(1));
    }
    assert!(b.full());
}
