//! A gate driven by hand: what it lets through, in which order, and what it keeps meanwhile, against a model that is a list.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use proptest::prelude::*;

use super::hold::PIECE;
use super::record::{self, Shape};
use super::release::Next;
use super::spill::SLOT;
use super::*;
use crate::change::{CaptureBatch, Change, Operation, Origin};
use crate::error::{Code, Error};
use crate::pipeline::port::Item;
use crate::pipeline::queue::{Queue, Room};
use crate::pipeline::ticket::{Ticket, Unit};
use crate::position::Position;
use crate::route::fixture::{column, integer, row, text};
use crate::route::{RouteSpec, TargetKind, TargetPlan, TargetSpec};
use crate::row::RowImage;
use crate::schema::TableSchema;
use crate::sink::{Address, Body, Counted, Delivery};
use crate::value::Value;
use crate::version::Version;

pub(super) struct Bench {
    folder: tempfile::TempDir,
    pub gate: Arc<Gate>,
    pub queue: Arc<Queue>,
    schema: Arc<TableSchema>,
    plan: Arc<TargetPlan>,
    ticket: Arc<Ticket>,
    pub now: Instant,
}

pub(super) fn quota(rows: u64, burst: u64, concurrency: u64) -> TenantQuota {
    TenantQuota::new(TenantLimit { rows_per_second: rows, burst, concurrency })
}

impl Bench {
    pub fn new(quota: TenantQuota) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let quota = TenantQuota { folder: folder.path().to_owned(), ..quota };
        let spec = TargetSpec::new("target", TargetKind::Document, "items");
        let route = Arc::new(RouteSpec::new("shop.items", vec![spec.clone()]));
        let columns = vec![column("id", integer()), column("tenant", text())];
        Bench {
            gate: Gate::new(&quota, "tenant", &Arc::new(Census::new(&quota)), "held"),
            folder,
            queue: Queue::new(1),
            schema: Arc::new(TableSchema::new("shop", "items", columns, vec![0])),
            plan: Arc::new(TargetPlan { id: 0, label: "target".into(), route, spec }),
            ticket: Ticket::new(Unit::Stream { start: nowhere(), resume: nowhere() }),
            now: Instant::now(),
        }
    }

    fn image(&self, id: i64, tenant: Option<&str>) -> RowImage {
        row(&[Value::Int(id), tenant.map_or(Value::Null, Value::Text)])
    }

    fn delivery(
        &self,
        id: i64,
        before: Option<RowImage>,
        after: Option<RowImage>,
        number: u64,
        body: Body,
    ) -> Delivery {
        let version = Version::from_number(0, number);
        let mut change =
            Change::of_table(Arc::clone(&self.schema), Operation::Update, version, Origin::nobody());
        (change.before, change.after) = (before, after);
        Delivery {
            plan: Arc::clone(&self.plan),
            address: Address { target: "items".into(), id: id.to_string().into() },
            body,
            version,
            batch: Arc::new(CaptureBatch::at(nowhere(), vec![change])),
            index: 0,
            counted: Counted::Delivery,
            coerced: 0,
        }
    }

    /// A row of a tenant, with a document of so many bytes.
    pub fn row(&self, tenant: &str, id: i64, number: u64, bytes: usize) -> Item {
        let body = Body::Document(Bytes::from(vec![b'x'; bytes]));
        self.item(self.delivery(id, None, Some(self.image(id, Some(tenant))), number, body))
    }

    fn item(&self, delivery: Delivery) -> Item {
        self.ticket.expect(1);
        Item::new(delivery, Arc::clone(&self.ticket), None)
    }

    fn admit(&self, items: Vec<Item>) -> u64 {
        let passed = self.gate.admit_at(&mut { items }, &self.queue, self.now);
        self.gate.write_now();
        passed
    }

    fn release(&self) -> u64 {
        self.gate.release(&self.queue, self.now).unwrap().0
    }

    /// What the lane gets: its version's number.
    fn come(&self) -> Vec<Item> {
        let mut pending = Vec::new();
        let room = Room { items: usize::MAX, bytes: usize::MAX };
        // What would have to wait gets nothing.
        let _filled = self.queue.fill(0, &mut pending, room).now_or_never();
        pending
    }

    pub fn numbers(&self) -> Vec<u64> {
        numbers(&self.come())
    }
}

fn nowhere() -> Position {
    Position::nowhere(Version::ZERO)
}

fn numbers(items: &[Item]) -> Vec<u64> {
    items.iter().map(|item| item.delivery.version.get() - Version::from_number(0, 0).get()).collect()
}

#[test]
fn a_flood_is_held_and_the_others_pass() {
    let mut bench = Bench::new(quota(10, 2, 100));
    let flood = (0..5).map(|n| bench.row("flood", n, n as u64, 10));
    let items = flood.chain([bench.row("calm", 9, 9, 10)]).collect();
    assert_eq!(bench.admit(items), 3);
    assert_eq!(bench.numbers(), [0, 1, 9]);
    assert_eq!(bench.release(), 0, "no token yet");
    bench.now += Duration::from_millis(110);
    assert_eq!(bench.release(), 1);
    // A token is there again, and goes to what came first.
    bench.now += Duration::from_millis(110);
    assert_eq!(bench.admit(vec![bench.row("flood", 7, 7, 10)]), 0);
    bench.now += Duration::from_secs(1);
    assert_eq!(bench.release(), 2);
    bench.now += Duration::from_secs(1);
    assert_eq!(bench.release(), 1);
    assert_eq!(bench.numbers(), [2, 3, 4, 7]);
    assert!(bench.gate.held().is_empty());
    assert_eq!(bench.gate.release(&bench.queue, bench.now).unwrap().1, Next::Woken);
}

#[test]
fn no_more_is_on_the_way_than_the_tenant_may_have() {
    let bench = Bench::new(quota(1000, 1000, 3));
    let flood = (0..9).map(|n| bench.row("flood", n, n as u64, 10)).collect();
    assert_eq!(bench.admit(flood), 3);
    let first = bench.come();
    assert_eq!(bench.release(), 0);
    drop(first);
    assert_eq!(bench.release(), 3);
    let mut rest = bench.come();
    rest.truncate(1);
    assert_eq!((bench.release(), numbers(&rest)), (2, vec![3]));
}

#[test]
fn repairs_redrives_refusals_and_rows_of_nobody_pass() {
    let bench = Bench::new(quota(1, 1, 1));
    let with = |unit: Unit| Item { ticket: Ticket::new(unit), ..bench.row("flood", 2, 2, 10) };
    let nobodys = bench.delivery(3, None, Some(bench.image(3, None)), 3, Body::Absent);
    let refused = Error::new(Code::RouteKeyNull, "refused by the route");
    let items = vec![
        bench.row("flood", 1, 1, 10),
        bench.row("flood", 1, 1, 10),
        with(Unit::Repair),
        with(Unit::Redrive(7)),
        bench.item(nobodys),
        Item { refused: Some(refused), ..bench.row("flood", 4, 4, 10) },
    ];
    assert_eq!(bench.admit(items), 5);
    assert_eq!(bench.numbers(), [1, 2, 2, 3, 4]);
    let chunk = crate::ledger::ChunkKey { run: 1, table: "shop.items".into(), ordinal: 0 };
    assert_eq!(bench.admit(vec![with(Unit::Chunk(chunk))]), 0, "rows of a backfill count");
}

#[test]
fn a_row_that_changes_its_tenant_waits_behind_what_it_left() {
    let mut bench = Bench::new(quota(10, 1, 100));
    let body = || Body::Document(Bytes::from_static(b"{}"));
    let image = |tenant| Some(bench.image(5, Some(tenant)));
    let moves = bench.delivery(5, image("flood"), image("calm"), 3, body());
    let deleted = bench.delivery(5, image("calm"), None, 4, Body::Absent);
    let (moves, deleted) = (bench.item(moves), bench.item(deleted));
    let items = vec![
        bench.row("flood", 1, 1, 10),
        bench.row("flood", 5, 2, 10),
        moves,
        deleted,
        bench.row("calm", 6, 5, 10),
    ];
    assert_eq!(bench.admit(items), 2, "the calm one is not held but for the row that was the other's");
    for _ in 0..3 {
        bench.now += Duration::from_millis(100);
        assert_eq!(bench.release(), 1);
    }
    assert_eq!(bench.numbers(), [1, 5, 2, 3, 4]);
    assert!(bench.gate.state().moved.is_empty());
    bench.now += Duration::from_secs(1);
    assert_eq!(bench.admit(vec![bench.row("calm", 5, 6, 10)]), 1, "now it is the other's alone");
}

#[test]
fn what_is_held_is_bounded_and_room_comes_back() {
    let plain = quota(1, 1, 1_000_000);
    let mut bench = Bench::new(TenantQuota { max_held: 10 * PIECE as u64, ..plain });
    let many = (0..100).map(|n| bench.row("flood", n, n as u64, PIECE / 5)).collect();
    bench.admit(many);
    assert!(bench.gate.full() && bench.gate.much());
    assert_eq!(std::fs::read_dir(bench.folder.path()).unwrap().count(), 0, "the file has no name");
    let state = bench.gate.state();
    assert!(state.size.0 <= 3 * PIECE, "{} bytes in memory", state.size.0);
    assert!(state.size.1 <= 1 && state.spill.bytes() >= 10 * PIECE as u64);
    drop(state);
    let mut came = bench.numbers();
    while came.len() < 100 {
        bench.now += Duration::from_secs(1);
        assert_eq!(bench.release(), 1);
        came.extend(bench.numbers());
    }
    assert!(!bench.gate.full() && !bench.gate.much());
    assert_eq!(came, (0..100).collect::<Vec<u64>>());
    let state = bench.gate.state();
    assert_eq!((state.size, state.spill.bytes()), ((0, 0), 0));
}

#[test]
fn what_cannot_be_written_stays_in_memory() {
    let mut bench = Bench::new(quota(1000, 1, 1_000_000));
    std::fs::remove_dir(bench.folder.path()).unwrap();
    bench.admit((0..100).map(|n| bench.row("flood", n, n as u64, SLOT)).collect());
    assert!(!bench.gate.full(), "it is not much");
    bench.admit((100..2500).map(|n| bench.row("flood", n, n as u64, SLOT)).collect());
    assert!(bench.gate.full());
    let mut came = bench.numbers();
    while came.len() < 2500 {
        bench.now += Duration::from_millis(20);
        bench.release();
        came.extend(bench.numbers());
    }
    bench.gate.write_now();
    assert!(!bench.gate.full());
    assert_eq!(came, (0..2500).collect::<Vec<u64>>());
}

#[test]
fn a_stop_drops_what_is_held_and_leaves_its_tickets_open() {
    let bench = Bench::new(quota(1, 1, 1));
    bench.admit(vec![bench.row("flood", 1, 1, 10), bench.row("flood", 2, 2, 10)]);
    bench.ticket.close();
    bench.gate.close();
    assert_eq!(bench.numbers(), [1]);
    assert!(!bench.ticket.is_done());
    assert_eq!(bench.gate.release(&bench.queue, bench.now).unwrap(), (0, Next::Closed));
    assert_eq!(Arc::strong_count(&bench.ticket), 1, "nothing remembers it");
}

#[test]
fn a_delivery_comes_back_whole() {
    let bench = Bench::new(quota(1, 1, 1));
    let bodies = [Body::Absent, Body::Document(Bytes::from_static(b"{\"a\":1}")), Body::Line(Bytes::new())];
    let counts = [Counted::No, Counted::Delivery, Counted::Filtered("live".into())];
    let images = [(true, true), (true, false), (false, true), (false, false)];
    let mut bytes = Vec::new();
    let mut written = Vec::new();
    for (n, (before, after)) in images.into_iter().cycle().take(24).enumerate() {
        let image = |there: bool, tenant| there.then(|| bench.image(n as i64, Some(tenant)));
        let mut delivery =
            bench.delivery(n as i64, image(before, "ü"), image(after, ""), n as u64, bodies[n % 3].clone());
        (delivery.counted, delivery.coerced) = (counts[n / 3 % 3].clone(), n as u32);
        let gtid = (n % 2 == 0).then(|| Arc::from("0-1-2"));
        let origin = Origin { server_id: 7, file: "bin.1".into(), gtid, committed_at: -(n as i64) };
        let mut change = delivery.change().clone();
        change.operation =
            [Operation::Insert, Operation::Update, Operation::Delete, Operation::Read, Operation::Truncate]
                [n % 5];
        (change.before_version, change.offset, change.ordinal) =
            (Version::from_number(0, 3), 1 << 40, n as u64);
        change.origin = Arc::new(origin);
        delivery.batch = Arc::new(CaptureBatch::at(nowhere(), vec![change]));
        record::write(&delivery, &mut bytes);
        written.push(delivery);
    }
    let mut rest = &bytes[..];
    for delivery in &written {
        let (read, length) = record::read(rest, &Shape::of(delivery)).unwrap();
        rest = &rest[length..];
        let shown = |d: &Delivery| {
            format!(
                "{:?} {:?} {:?} {:?} {} {:?}",
                d.address,
                d.body,
                d.version,
                d.counted,
                d.coerced,
                d.change()
            )
        };
        assert_eq!(shown(&read), shown(delivery));
        let columns = |image: &Option<RowImage>| image.as_ref().map(|image| image.columns(&[0, 1]).unwrap());
        assert_eq!(columns(&read.change().before), columns(&delivery.change().before));
        assert_eq!(columns(&read.change().after), columns(&delivery.change().after));
    }
    assert!(rest.is_empty());
    for cut in 0..bytes.len().min(300) {
        drop(record::read(&bytes[..cut], &Shape::of(&written[0])));
    }
    assert_eq!(record::read(&bytes[..20], &Shape::of(&written[0])).unwrap_err().code(), Code::TenantSpill);
}

/// What happens next in a random run.
#[derive(Clone, Debug)]
enum Step {
    Come { tenant: u8, id: u8, bytes: usize },
    Wait(u64),
    End,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..4, 0u8..8, prop_oneof![0usize..40, 0usize..60_000])
            .prop_map(|(tenant, id, bytes)| Step::Come { tenant, id, bytes }),
        2 => (0u64..80).prop_map(Step::Wait),
        1 => Just(Step::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Everything comes out once, a tenant's in the order in which it came, and never more than its rate, burst and way.
    #[test]
    fn every_delivery_once_and_in_its_tenants_order(
        steps in prop::collection::vec(step(), 1..300), rows in 20u64..400, burst in 1u64..20, most in 1u64..30,
    ) {
        let mut bench = Bench::new(quota(rows, burst, most));
        let start = bench.now;
        let mut model: HashMap<u8, Vec<u64>> = HashMap::new();
        let mut came: HashMap<u8, Vec<u64>> = HashMap::new();
        let mut on_the_way: Vec<Item> = Vec::new();
        let mut number = 0;
        let tenant_of = |item: &Item| {
            let image = item.delivery.change().after.clone().unwrap();
            crate::route::key_text(&image, &[1]).unwrap().as_bytes()[0] - b'a'
        };
        let mut left = steps.len();
        let all = steps.into_iter().chain(std::iter::repeat_n([Step::Wait(60), Step::End], 1500).flatten());
        for step in all {
            match step {
                Step::Come { tenant, id, bytes } => {
                    number += 1;
                    model.entry(tenant).or_default().push(number);
                    let name = ((b'a' + tenant) as char).to_string();
bench.gate.admit_at(&mut vec![bench.row(&name, i64::from(id), number, bytes)], &bench.queue, bench.now);
                }
                Step::Wait(millis) => {
                    bench.now += Duration::from_millis(millis);
                    bench.release();
                    if millis % 3 == 0 {
                        bench.gate.write_now();
                    }
                }
                Step::End => on_the_way.clear(),
            }
            for item in bench.come() {
                came.entry(tenant_of(&item)).or_default().push(numbers(std::slice::from_ref(&item))[0]);
                on_the_way.push(item);
            }
            for (tenant, came) in &came {
                let passed = (bench.now - start).as_secs_f64() * rows as f64;
                let allowed = passed + burst.max(rows / 50) as f64 + 1e-3;
                prop_assert!(came.len() as f64 <= allowed, "{} of {allowed}", came.len());
                let flying = on_the_way.iter().filter(|item| tenant_of(item) == *tenant).count();
                prop_assert!(flying as u64 <= most, "{flying} on the way");
            }
            if left > 0 {
                left -= 1;
            } else if came == model {
                break;
            }
        }
        prop_assert_eq!(came, model);
        let state = bench.gate.state();
        prop_assert_eq!((state.size, state.spill.bytes()), ((0, 0), 0));
    }
}
