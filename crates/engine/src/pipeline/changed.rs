//! What the file says of routes and targets that it did not say at the last start: a target that is new is backfilled by
//! itself, a table whose documents are made in another way is stale until it is read again, and a sink that was away
//! begins anew. What a route does is `route/`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::Shared;
use super::stale::{self, MadeTarget, target_of};
use crate::error::{Code, Error, Result};
use crate::ledger::{AuditRecord, Ledger, PipelineRecord, TableRecord, TableState};
use crate::position::Position;
use crate::route::{FilterTest, RouteSpec, TargetSpec, TransformAction};
use crate::schema::TableSchema;

/// The property that keeps them.
const PROPERTY: &str = "routes";

/// In the place of a fingerprint: the target was given the table once, and is not now. What it holds is as it was then.
const AWAY: &str = "";

/// How documents are made: by sink, target and table.
type Fingerprints = BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>;

/// What differs from the last start.
#[derive(Debug, Default, PartialEq)]
struct Differences {
    /// Tables that the same sinks get for the first time.
    added: BTreeMap<Vec<String>, Vec<String>>,
    /// Tables that the same sinks get again, which did not get them for a while.
    returned: BTreeMap<Vec<String>, Vec<String>>,
    /// Tables whose documents are made in another way, and where.
    stale: BTreeMap<String, BTreeSet<MadeTarget>>,
}

impl Differences {
    fn of<'a>(
        before: &Fingerprints,
        now: impl Iterator<Item = (&'a String, &'a BTreeMap<String, BTreeMap<String, String>>)>,
    ) -> Differences {
        let mut stale = BTreeMap::<String, BTreeSet<MadeTarget>>::new();
        let mut added = BTreeMap::<&String, BTreeSet<&String>>::new();
        let mut returned = added.clone();
        for (sink, targets) in now {
            for (target, tables) in targets {
                let known = before.get(sink).and_then(|targets| targets.get(target));
                for (table, fingerprint) in tables.iter().filter(|(_, fingerprint)| *fingerprint != AWAY) {
                    match known.and_then(|tables| tables.get(table)) {
                        None => _ = added.entry(table).or_default().insert(sink),
                        Some(known) if known == AWAY => _ = returned.entry(table).or_default().insert(sink),
                        Some(known) if known != fingerprint => {
                            stale.entry(table.clone()).or_default().insert((sink.clone(), target.clone()));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        Differences { added: by_sinks(added), returned: by_sinks(returned), stale }
    }
}

fn by_sinks(tables: BTreeMap<&String, BTreeSet<&String>>) -> BTreeMap<Vec<String>, Vec<String>> {
    let mut groups = BTreeMap::<Vec<String>, Vec<String>>::new();
    for (table, sinks) in tables {
        groups.entry(sinks.into_iter().cloned().collect()).or_default().push(table.clone());
    }
    groups
}

/// What a sink was given before and is not given now stays known, as long as the file names the sink. (One that it does not
/// name begins anew when it comes back.)
fn remember(before: &Fingerprints, now: &mut Fingerprints) {
    for (sink, targets) in now {
        for (target, tables) in before.get(sink).into_iter().flatten() {
            let given = targets.entry(target.clone()).or_default();
            for table in tables.keys() {
                given.entry(table.clone()).or_insert_with(|| AWAY.to_owned());
            }
        }
    }
}

async fn kept(ledger: &dyn Ledger, pipeline: &str) -> Result<Option<Fingerprints>> {
    let text = ledger.property(pipeline, PROPERTY).await?;
    // What cannot be read is of another release: nothing is known then.
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Before anything runs: sinks that the file did not name at the last start missed what came since, so their checkpoints
/// count for nothing. Answers those of them that were written before.
pub(crate) async fn returned(
    pipeline: &str,
    ledger: &dyn Ledger,
    record: &mut PipelineRecord,
) -> Result<BTreeSet<String>> {
    let Some(before) = kept(ledger, pipeline).await? else { return Ok(BTreeSet::new()) };
    let away = |name: &String| !name.is_empty() && !before.contains_key(name);
    let gone: Vec<String> = record.checkpoints.keys().filter(|name| away(name)).cloned().collect();
    if !gone.is_empty() {
        let detail = json!({ "begin_anew": gone });
        ledger.audit(&AuditRecord::now("syncline", "checkpoint", pipeline, &detail)).await?;
    }
    gone.iter().for_each(|name| _ = record.checkpoints.remove(name));
    let written = |name: &String| record.marks.get(name).is_some_and(|marks| marks.epoch().is_some());
    Ok(gone.into_iter().filter(written).collect())
}

impl Shared {
    /// At the first contact with the source. `new`: sinks that are backfilled anyway.
    pub(super) async fn compare_routes(&self, new: &[usize], start: &Position) -> Result<()> {
        let tables = self.source.tables().await?;
        let mut now: Fingerprints =
            self.names[1..].iter().map(|name| (name.clone(), BTreeMap::new())).collect();
        tables.iter().for_each(|schema| self.add_fingerprints(schema, &mut now));
        let before = kept(&*self.ledger, &self.spec.name).await?;
        before.iter().for_each(|before| remember(before, &mut now));
        if before.as_ref() == Some(&now) {
            return Ok(());
        }
        if let Some(before) = before {
            let known = now.iter().filter(|(sink, _)| !self.is_one_of(sink, new));
            let Differences { added, returned, stale } = Differences::of(&before, known);
            for (sinks, tables) in returned {
                self.take_back(&sinks, tables, start).await?;
            }
            for (sinks, tables) in added.into_iter().filter(|_| self.spec.source.backfill) {
                tracing::info!(pipeline = self.spec.name, ?sinks, ?tables, "a new target is filled");
                self.want_backfill(tables, sinks).await?;
            }
            for (table, targets) in stale {
                self.mark_stale(&table, &targets, start).await?;
            }
        }
        self.keep(&now).await
    }

    /// Tables that these sinks get again: what they hold of them is as it was when they were taken out.
    async fn take_back(&self, sinks: &[String], mut tables: Vec<String>, start: &Position) -> Result<()> {
        // What is halted or dropped is read again as a whole anyway.
        tables.retain(|table| self.tables.get(table).is_none());
        if self.spec.source.backfill {
            tracing::info!(pipeline = self.spec.name, ?sinks, ?tables, "tables that were taken out are back");
            return self.want_swept(tables, sinks, start.version).await;
        }
        for table in tables {
            let of_table = self.routes.targets_of(&table);
            let theirs = of_table.map(|(sink, plan)| (self.names[*sink].clone(), target_of(plan)));
            let theirs = theirs.filter(|(sink, _)| sinks.contains(sink)).collect();
            self.mark_stale(&table, &theirs, start).await?;
        }
        Ok(())
    }

    /// A table that appears while the pipeline runs is filled by itself.
    pub(super) async fn note_routes(&self, schema: &TableSchema) -> Result<()> {
        let mut known = kept(&*self.ledger, &self.spec.name).await?.unwrap_or_default();
        self.add_fingerprints(schema, &mut known);
        self.keep(&known).await
    }

    async fn keep(&self, fingerprints: &Fingerprints) -> Result<()> {
        let text = serde_json::to_string(fingerprints).map_err(|error| {
            Error::new(Code::Internal, "the routes cannot be written as JSON").cause(error)
        })?;
        self.ledger.set_property(&self.spec.name, PROPERTY, &text).await
    }

    fn is_one_of(&self, sink: &str, indices: &[usize]) -> bool {
        indices.iter().any(|index| self.names[*index] == sink)
    }

    fn add_fingerprints(&self, schema: &TableSchema, into: &mut Fingerprints) {
        for (sink, plan) in self.routes.targets_of(&schema.name) {
            let sink = into.entry(self.names[*sink].clone()).or_default();
            let tables = sink.entry(target_of(plan)).or_default();
            tables.insert(schema.name.to_string(), fingerprint(&plan.route, &plan.spec));
        }
    }

    async fn mark_stale(&self, table: &str, targets: &BTreeSet<MadeTarget>, start: &Position) -> Result<()> {
        let known = self.tables.get(table).map(|record| record.state);
        if known.is_some_and(|state| state != TableState::Stale) {
            return Ok(()); // halted or dropped: it is read again as a whole anyway
        }
        stale::note(&*self.ledger, &self.spec.name, table, targets, known.is_some()).await?;
        if known.is_some() {
            return Ok(());
        }
        let what = format!(
            "{table}: its route changed; documents that did not change since are as the old one made them"
        );
        let error = Error::new(Code::RouteStale, what).fix(format!("syncline backfill FILE --table {table}"));
        tracing::warn!(pipeline = self.spec.name, table, "{error}; {}", error.fix_text());
        let error = serde_json::to_value(&error).ok();
        // Above all that the targets hold by now: rows that are read again must be newer than what is swept.
        let at = start.version.max(self.tracker.replayed_below()).next();
        let record = TableRecord { state: TableState::Stale, error, at };
        self.tables.set(table, record.clone());
        self.ledger.set_table(&self.spec.name, table, &record).await
    }
}

/// All that decides which documents a table has at a target and where.
fn fingerprint(route: &RouteSpec, target: &TargetSpec) -> String {
    let filter = |test: &FilterTest| match test {
        FilterTest::Exclude { field, values } => json!({ "exclude": field, "values": values }),
        FilterTest::Include { field, values } => json!({ "include": field, "values": values }),
        FilterTest::When(expression) => json!({ "when": expression }),
    };
    let made = json!({
        "key": route.key,
        "filters": route.filters.iter().map(|rule| filter(&rule.test)).collect::<Vec<_>>(),
        "transforms": route.transforms.iter().map(|t| json!([t.field, action(&t.action)])).collect::<Vec<_>>(),
        "only": route.only,
        "partition_by": route.partition_by,
        "zero_date_text": route.zero_date_text,
        "id": target.id,
        "hash": target.hash,
        "invalidate": target.invalidate,
    });
    format!("{:016x}", xxh3_64(made.to_string().as_bytes()))
}

fn action(action: &TransformAction) -> Value {
    match action {
        TransformAction::Rename { from } => json!({ "from": from }),
        TransformAction::Drop => json!("drop"),
        TransformAction::Constant(value) => json!({ "value": value }),
        TransformAction::Template(template) => json!({ "template": template }),
        TransformAction::Split(by) => json!({ "split": by }),
        TransformAction::Json => json!("json"),
        TransformAction::Date { format, zone } => json!({ "date": format, "zone": zone }),
        TransformAction::Integer => json!("integer"),
        TransformAction::Float => json!("float"),
        TransformAction::Boolean => json!("boolean"),
        // How a field is searched is the mapping's, which an index gets when it is made.
        TransformAction::Text { .. } => json!("text"),
        TransformAction::Keyword => json!("keyword"),
        TransformAction::GeoJson => json!("geojson"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{FilterSpec, TargetKind};

    fn routes(text: &str) -> Fingerprints {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn new_targets_and_changed_routes_are_told_apart() {
        let before = routes(
            r#"{"a": {"index: x": {"shop.t": "1", "shop.u": "1"}}, "b": {"key: k": {"shop.t": "1"}}}"#,
        );
        let now = routes(
            r#"{"a": {"index: x": {"shop.t": "2", "shop.u": "1", "shop.new": "1"}, "index: y": {"shop.u": "1"}},
                "b": {"key: k": {"shop.t": "1", "shop.new": "1"}}}"#,
        );
        let Differences { added, returned, stale } = Differences::of(&before, now.iter());
        assert!(returned.is_empty());
        let where_stale = BTreeSet::from([("a".to_owned(), "index: x".to_owned())]);
        assert_eq!(stale, [("shop.t".to_owned(), where_stale)].into());
        let both = vec!["a".to_owned(), "b".to_owned()];
        let expected =
            [(vec!["a".to_owned()], vec!["shop.u".to_owned()]), (both, vec!["shop.new".to_owned()])];
        assert_eq!(added, expected.into());
        assert_eq!(Differences::of(&now, now.iter()), Differences::default());
    }

    #[test]
    fn what_was_taken_out_is_remembered_and_comes_back() {
        let all =
            routes(r#"{"a": {"index: x": {"shop.t": "1", "shop.u": "1"}, "index: y": {"shop.t": "1"}}}"#);
        let mut less = routes(r#"{"a": {"index: x": {"shop.u": "1"}}, "b": {"key: k": {"shop.u": "1"}}}"#);
        remember(&all, &mut less);
        let gone = r#"{"a": {"index: x": {"shop.t": "", "shop.u": "1"}, "index: y": {"shop.t": ""}}, "b": {"key: k": {"shop.u": "1"}}}"#;
        assert_eq!(less, routes(gone));
        let differences = Differences::of(&less, all.iter());
        assert_eq!(differences.returned, [(vec!["a".to_owned()], vec!["shop.t".to_owned()])].into());
        assert!(differences.added.is_empty() && differences.stale.is_empty());
        assert!(Differences::of(&all, less.iter()).stale.is_empty(), "what is taken out is not stale");
    }

    #[test]
    fn what_makes_other_documents_has_another_fingerprint() {
        let target = TargetSpec::new("search", TargetKind::Search, "x");
        let route = RouteSpec::new("shop.t", vec![target.clone()]);
        let first = fingerprint(&route, &target);
        let mut slower = target.clone();
        slower.ttl = Some(std::time::Duration::from_secs(1));
        assert_eq!(fingerprint(&route, &slower), first, "a lifetime is for what is written from now on");
        let test = |values: &[&str]| FilterTest::Exclude {
            field: "n".to_owned(),
            values: values.iter().map(|v| Some((*v).to_owned())).collect(),
        };
        let filtered = |values| RouteSpec {
            filters: vec![FilterSpec { name: "rule".to_owned(), test: test(values) }],
            ..route.clone()
        };
        let keyed = RouteSpec { key: Some(vec!["n".to_owned()]), ..route.clone() };
        let with_id = TargetSpec { id: Some("{n}".to_owned()), ..target.clone() };
        let all = [
            first,
            fingerprint(&filtered(&["1"]), &target),
            fingerprint(&filtered(&["2"]), &target),
            fingerprint(&keyed, &target),
            fingerprint(&route, &with_id),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    }
}
