//! How fast rows become what sinks take: a million packed rows of ten columns through a route, as change lines, as
//! documents, and with filter, partition and transforms. Prints CPU seconds per million rows. Run it with `--release`.

use std::io::Write as _;
use std::sync::Arc;

use syncline_engine::change::{CaptureBatch, Change, Operation, Origin};
use syncline_engine::packed;
use syncline_engine::position::Position;
use syncline_engine::route::{
    Deliveries, FilterSpec, FilterTest, PipelineSpec, RouteSpec, RouteTable, SourceSpec, TargetKind,
    TargetSpec, TransformAction, TransformSpec,
};
use syncline_engine::schema::{Column, ColumnKind, TableSchema};
use syncline_engine::value::{Clock, Date, Value};
use syncline_engine::version::Version;

const BATCH: i64 = 5_000;

fn schema() -> Arc<TableSchema> {
    let integer = |bits| ColumnKind::Integer { bits, unsigned: false };
    let text = || ColumnKind::Text { length: Some(64) };
    let kinds = [
        ("id", integer(64)),
        ("a", integer(32)),
        ("b", integer(64)),
        ("c", ColumnKind::Decimal { precision: 12, scale: 2 }),
        ("d", ColumnKind::Double),
        ("e", text()),
        ("f", text()),
        ("g", ColumnKind::DateTime { digits: 3 }),
        ("h", integer(8)),
        ("j", text()),
    ];
    let column = |(name, kind): (&str, ColumnKind)| Column { name: name.into(), kind, nullable: true };
    Arc::new(TableSchema::new("bench", "t", kinds.into_iter().map(column).collect(), vec![0]))
}

fn change(schema: &Arc<TableSchema>, origin: &Arc<Origin>, writer: &mut packed::Writer, id: i64) -> Change {
    let n = id % 1000;
    writer.push(Value::Int(id));
    writer.push(Value::Int(n));
    writer.push(Value::Int(1_000_000_007 * (id / 1000 + 1) + n));
    writer.push(Value::Decimal(&format!("{}.{:02}", id / 100, id % 100)));
    writer.push(Value::Double(n as f64 / 7.0));
    writer.push(Value::Text(&format!("name-{}-{n}", id / 1000)));
    writer.push(Value::Text(&format!("Some longer text, öäü, row {id} of the table")));
    let time = Clock {
        hour: (id / 3600 % 24) as u16,
        minute: (id / 60 % 60) as u8,
        second: (id % 60) as u8,
        micros: 123_000,
        digits: 3,
    };
    writer.push(Value::DateTime { date: Date { year: 2026, month: 1, day: 1 }, time, utc: false });
    writer.push(Value::Int(n % 2));
    match n % 10 {
        0 => writer.push(Value::Null),
        _ => writer.push(Value::Text(&format!("{{\"id\":{n},\"tag\":\"x\"}}"))),
    }
    let version = Version::new(0, 1, id as u64 * 200);
    Change {
        schema: Arc::clone(schema),
        operation: Operation::Insert,
        before: None,
        after: Some(packed::image(writer.finish())),
        version,
        before_version: version,
        offset: id as u64 * 200,
        ordinal: 0,
        origin: Arc::clone(origin),
    }
}

fn batch(schema: &Arc<TableSchema>, from: i64) -> Arc<CaptureBatch> {
    let origin = Origin {
        server_id: 1,
        file: "mysql-bin.000003".into(),
        gtid: Some("0-1-77".into()),
        committed_at: from,
    };
    let origin = Arc::new(origin);
    let mut writer = packed::Writer::new();
    let changes = (from..from + BATCH).map(|id| change(schema, &origin, &mut writer, id)).collect();
    Arc::new(CaptureBatch::at(Position::nowhere(Version::ZERO), changes))
}

fn target(kind: TargetKind, template: &str) -> TargetSpec {
    TargetSpec::new("to", kind, template)
}

fn route(target: TargetSpec) -> RouteSpec {
    RouteSpec::new("bench.*", vec![target])
}

fn busy() -> RouteSpec {
    let transform = |field: &str, action| TransformSpec { field: field.into(), action };
    let mut route = route(target(TargetKind::Search, "t_{YYYY-MM}_v1"));
    route.partition_by = Some("g".into());
    route.filters =
        vec![FilterSpec { name: "f".into(), test: FilterTest::When("c >= 0 and h in (0, 1)".into()) }];
    route.transforms = vec![
        transform("h", TransformAction::Boolean),
        transform("g", TransformAction::Date { format: None, zone: Some("Europe/Berlin".into()) }),
        transform("name", TransformAction::Rename { from: "e".into() }),
    ];
    route
}

fn table(route: RouteSpec) -> RouteTable {
    let source = SourceSpec::new("db", &["bench.*"]);
    let spec = PipelineSpec::new("p", source, vec![route]);
    RouteTable::new(&spec, &["to".to_owned()]).expect("the route is good")
}

/// Seconds this thread has spent on a processor: other programs on the machine do not count.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}

/// Arguments: rows (a million), and the one shape to run (all).
fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<i64>().unwrap_or(0));
    let rows = arguments.next().unwrap_or(1_000_000);
    let only = arguments.next();
    let schema = schema();
    let shapes = [
        ("discard: change lines", route(target(TargetKind::Discard, ""))),
        ("search: documents", route(target(TargetKind::Search, "t_v1"))),
        ("cache: documents, key template", route(target(TargetKind::Cache, "t:{id}"))),
        ("search: filter, partition, transforms", busy()),
    ];
    let mut out = std::io::stdout();
    for (n, (name, spec)) in shapes.into_iter().enumerate() {
        if only.is_some_and(|only| only != n as i64) {
            continue;
        }
        let table = table(spec);
        let (mut seconds, mut bytes, mut count) = (0.0, 0usize, 0usize);
        let mut deliveries = Deliveries::default();
        for from in (0..rows).step_by(BATCH as usize) {
            let batch = batch(&schema, from);
            let mut kept = Vec::with_capacity(BATCH as usize);
            let started = cpu_seconds();
            for index in 0..BATCH as u32 {
                deliveries.clear();
                table.deliver(&batch, index, &mut deliveries).expect("rows are good");
                kept.append(&mut deliveries.items);
            }
            drop_all(&mut kept, &mut bytes, &mut count);
            seconds += cpu_seconds() - started;
        }
        writeln!(
            out,
            "{name}: {:.2} CPU-s per million rows, {count} deliveries, {bytes} bytes",
            seconds * 1e6 / rows as f64
        )?;
    }
    Ok(())
}

fn drop_all(kept: &mut Vec<(usize, syncline_engine::sink::Delivery)>, bytes: &mut usize, count: &mut usize) {
    use syncline_engine::sink::Body;
    for (_, delivery) in kept.drain(..) {
        *count += 1;
        if let Body::Document(body) | Body::Line(body) = &delivery.body {
            *bytes += body.len();
        }
    }
}
