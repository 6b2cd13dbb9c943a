//! Ranges over made-up sets of keys: which rows they cover, and how often the source is asked.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use proptest::prelude::*;

use super::*;
use crate::error::{Code, Error};
use crate::position::Position;
use crate::source::{Extent, ReadRows};
use crate::value::OwnedValue;

/// Bytes of a row, so that a range is to have 40,000 or 1,000 of them.
const SMALL: usize = 10;
const LARGE: usize = RANGE / 1000;

/// Keys in memory; it counts how often it is asked.
struct FakeSource {
    keys: BTreeSet<u64>,
    asked: AtomicUsize,
}

fn number(bound: &Bound) -> u64 {
    bound.0.parse().unwrap()
}

fn bound(number: u64) -> Bound {
    Bound(number.to_string())
}

impl FakeSource {
    fn between(&self, after: Option<&Bound>, upto: &Bound) -> impl Iterator<Item = &u64> {
        let (after, upto) = (after.map_or(0, |after| number(after) + 1), number(upto));
        self.keys.range(after.min(upto + 1)..=upto)
    }
}

#[async_trait]
impl TableReader for FakeSource {
    async fn next_bound(
        &self,
        _: &TableSchema,
        _: &[usize],
        after: Option<&Bound>,
        last: &Bound,
        rows: usize,
    ) -> Result<Option<Bound>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let nth = |n| self.between(after, last).nth(n);
        Ok(nth(rows - 1).map(|key| bound(*key)).or_else(|| nth(0).map(|_| last.clone())))
    }

    fn bound_above(
        &self,
        _: &TableSchema,
        _: &[usize],
        after: &Bound,
        last: &Bound,
        keys: usize,
    ) -> Option<Bound> {
        let (after, last) = (number(after), number(last));
        (after < last).then(|| bound(last.min(after + keys as u64)))
    }

    async fn extent(&self, _: &TableSchema, _: &[usize]) -> Result<Option<Extent>> {
        Err(not_here())
    }

    async fn bound(&self, _: &TableSchema, _: &[usize], _: &[OwnedValue]) -> Result<Bound> {
        Err(not_here())
    }

    async fn read_range(
        &self,
        _: &TableSchema,
        _: &[usize],
        _: Option<&Bound>,
        _: &Bound,
        _: &Position,
    ) -> Result<ReadRows> {
        Err(not_here())
    }

    async fn read_keys(
        &self,
        _: &TableSchema,
        _: &[usize],
        _: &[Vec<OwnedValue>],
        _: &Position,
    ) -> Result<ReadRows> {
        Err(not_here())
    }
}

fn not_here() -> Error {
    Error::new(Code::Internal, "ranges read nothing")
}

/// All ranges, each read before the one after the next is asked for; answers how many there were, and how often the source was asked.
async fn walk(keys: BTreeSet<u64>, bytes: usize) -> (usize, usize) {
    let source = FakeSource { keys, asked: AtomicUsize::new(0) };
    let schema = TableSchema::new("d", "t", Vec::new(), vec![0]);
    let last = bound(*source.keys.last().unwrap());
    let mut ranges = Ranges { after: None, last, rows: FIRST, asked: 0, ended: false };
    let (mut covered, mut count, mut before) = (Vec::new(), 0, None);
    while let Some(range) = ranges.next(&source, &schema, &[0]).await.unwrap() {
        let rows: Vec<u64> = source.between(range.after.as_ref(), &range.upto).copied().collect();
        assert!(rows.len() <= MOST && rows.len() * bytes <= RANGE.max(FIRST * bytes), "{} rows", rows.len());
        if let Some((range, rows)) = before.replace((range, rows.len())) {
            ranges.read(&range, rows, rows * bytes);
        }
        covered.extend(rows);
        count += 1;
    }
    assert!(covered.iter().eq(&source.keys), "every key in one range, in order");
    assert!(ranges.next(&source, &schema, &[0]).await.unwrap().is_none());
    (count, source.asked.into_inner())
}

#[tokio::test]
async fn a_dense_table_is_asked_once() {
    let (ranges, asked) = walk((1..=1_000_000).collect(), SMALL).await;
    assert!(ranges <= 30, "{ranges}");
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn keys_that_are_far_apart_are_asked_for() {
    let (ranges, asked) = walk((1..=1_000_000).map(|n| n << 40).collect(), SMALL).await;
    assert!(ranges <= 35 && asked >= ranges - 5, "{asked} of {ranges}");
}

#[tokio::test]
async fn dense_parts_far_from_each_other_are_both_found() {
    let far = 1 << 60;
    let (ranges, asked) = walk((1..=900_000).chain(far..far + 900_000).collect(), SMALL).await;
    assert!(ranges <= 60 && asked <= 30, "{asked} of {ranges}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_key_is_in_one_range(
        runs in prop::collection::vec((0..1u64 << 40, 1..5000u64, 1..200u64), 1..12),
        bytes in prop_oneof![Just(SMALL), Just(LARGE)],
    ) {
        let keys = runs.iter().flat_map(|(start, many, apart)| (0..*many).map(move |n| start + n * apart)).collect();
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(walk(keys, bytes));
    }
}
