//! `get`: the document that a target holds for a key. The address is made by the pipeline's own routes from a row that has
//! only its key; where it depends on other columns, the row is read at the source first.

use std::sync::Arc;

use bytes::Bytes;
use syncline_connectors::registry;
use syncline_engine::change::{CaptureBatch, Change, Operation, Origin};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::position::Position;
use syncline_engine::route::{Deliveries, PipelineSpec, RouteTable, key_parts, key_values, row_of_key};
use syncline_engine::row::RowImage;
use syncline_engine::schema::TableSchema;
use syncline_engine::sink::Delivery;
use syncline_engine::source::Source;
use syncline_engine::version::Version;

use super::names;
use crate::arguments::GetArgs;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::{assemble, out};

/// Prints it, or nothing and 1.
pub async fn get(args: GetArgs) -> std::result::Result<Exit, Failure> {
    let config = names::load(&args.file)?;
    names::tables(&config.pipelines, std::slice::from_ref(&args.table))?;
    let connection = args.target.split('/').next().unwrap_or_default();
    let captured: Vec<PipelineSpec> =
        config.pipelines.iter().filter(|p| names::captures(p, &args.table)).cloned().collect();
    names::targets(&captured, &[connection.to_owned()])?;
    for pipeline in &captured {
        if let Some(document) = Asked::new(&config, pipeline, &args).await?.read().await? {
            let mut line = String::from_utf8_lossy(&document).into_owned();
            line.push('\n');
            out::data(&line)?;
            return Ok(Exit::Ok);
        }
    }
    out::note(&format!("{}: no document of {} {}", args.target, args.table, args.key));
    Ok(Exit::Failed)
}

/// One question to one pipeline's targets.
struct Asked<'a> {
    config: &'a Config,
    args: &'a GetArgs,
    /// Without what could keep the row out: only the address is wanted.
    pipeline: PipelineSpec,
    source: Arc<dyn Source>,
    _folder: tempfile::TempDir,
}

impl<'a> Asked<'a> {
    async fn new(config: &'a Config, pipeline: &PipelineSpec, args: &'a GetArgs) -> Result<Asked<'a>> {
        let folder = tempfile::tempdir()
            .map_err(|e| Error::new(Code::LedgerOpen, "no temporary folder can be made").cause(e))?;
        // A book of its own, so that nothing is disturbed, and no id of a replica that may be in use.
        let ledger = registry::ledger(folder.path())?;
        let mut pipeline = pipeline.clone();
        pipeline.source.server_id = None;
        for route in &mut pipeline.routes {
            route.filters.clear();
            route.transforms.clear();
            route.only = None;
        }
        let source = assemble::source(config, &pipeline, ledger)?;
        Ok(Asked { config, args, pipeline, source, _folder: folder })
    }

    async fn read(&self) -> Result<Option<Bytes>> {
        let schema = self.schema().await?;
        let sinks = assemble::sinks(self.config, &self.pipeline)?;
        let names: Vec<String> = sinks.keys().cloned().collect();
        let routes = RouteTable::new(&self.pipeline, &names)?;
        let key = routes
            .key_columns(&schema)
            .ok_or_else(|| Error::new(Code::RouteNoKey, format!("{} has no key", schema.name)))?;
        let parts = key_parts(&self.args.key, &key, &schema)?;
        let mut addressed = deliver(&routes, &schema, row_of_key(&schema, &key, &parts), Operation::Delete)?;
        if addressed.iter().any(|d| d.is_err()) {
            let Some(row) = self.row(&schema, &key, &parts).await? else { return Ok(None) };
            addressed = deliver(&routes, &schema, row, Operation::Read)?;
        }
        for delivery in addressed {
            let delivery = delivery?;
            let (label, connection) = (&delivery.plan.label, &delivery.plan.spec.connection);
            if *label != self.args.target && *connection != self.args.target {
                continue;
            }
            let Some(sink) = sinks.get(connection) else { continue };
            let held = sink.read(&delivery.plan, std::slice::from_ref(&delivery.address)).await?;
            // What stands there without a version is not ours.
            let ours = held.into_iter().flatten().find(|held| held.version > Version::ZERO);
            if let Some(document) = ours.and_then(|held| held.document) {
                return Ok(Some(document));
            }
        }
        Ok(None)
    }

    /// The table's columns: as the ledger knows them, else as the source has them.
    async fn schema(&self) -> Result<Arc<TableSchema>> {
        if let Some(ledger) = registry::ledger_shared(&self.config.data)? {
            let known = ledger.schemas(&self.pipeline.name).await?;
            let last = known.into_iter().rev().find(|r| r.table == self.args.table);
            if let Some(schema) = last.and_then(|r| r.schema) {
                return Ok(Arc::new(schema));
            }
        }
        let tables = self.source.tables().await?;
        let known = tables.iter().map(|t| &*t.name);
        let missing = || names::unknown("table", &self.args.table, known.clone());
        tables.iter().find(|t| *t.name == self.args.table).cloned().ok_or_else(missing)
    }

    /// The row as the source has it now.
    async fn row(
        &self,
        schema: &Arc<TableSchema>,
        key: &[usize],
        parts: &[String],
    ) -> Result<Option<RowImage>> {
        let values = key_values(schema, key, parts)?;
        let opened = self.source.stream(None).await?.start();
        let rows = self.source.reader().read_keys(schema, key, &[values], &opened).await?;
        Ok(rows.rows.into_iter().next())
    }
}

/// Where the route sends the row; an error where it cannot say.
fn deliver(
    routes: &RouteTable,
    schema: &Arc<TableSchema>,
    row: RowImage,
    operation: Operation,
) -> Result<Vec<Result<Delivery>>> {
    let is_delete = operation == Operation::Delete;
    let change = Change {
        schema: Arc::clone(schema),
        operation,
        before: is_delete.then(|| row.clone()),
        after: (!is_delete).then_some(row),
        version: Version::ZERO,
        before_version: Version::ZERO,
        offset: 0,
        ordinal: 0,
        origin: Origin::nobody(),
    };
    let batch = Arc::new(CaptureBatch::at(Position::nowhere(Version::ZERO), vec![change]));
    let mut out = Deliveries::default();
    routes.deliver(&batch, 0, &mut out)?;
    let found = out.items.into_iter().map(|(_, delivery)| Ok(delivery));
    Ok(found.chain(out.refused.into_iter().map(|(_, _, error)| Err(error))).collect())
}
