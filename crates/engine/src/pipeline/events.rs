//! What the pipeline does when something happens to a table at the source: it is new, altered, emptied, gone, given up.
//! How a backfill or a sweep is planned is `plans.rs`.

use std::sync::Arc;

use super::Shared;
use crate::change::{Change, Operation, Origin, TableEvent};
use crate::error::{Code, Error, Result};
use crate::ledger::{TableRecord, TableState};
use crate::route::{OnSchemaChange, Pattern, RouteSpec};
use crate::schema::TableSchema;
use crate::version::Version;

impl Shared {
    /// Something happened to a table at the source.
    pub async fn table_event(&self, event: TableEvent, at: Version) -> Result<()> {
        match event {
            TableEvent::Appeared(schema) => {
                self.appeared(&schema, at).await?;
                self.note_routes(&schema).await
            }
            TableEvent::Altered { schema, reread } => match self.on_schema_change(&schema.name) {
                // What was read before has the old columns.
                OnSchemaChange::Reread if reread => self.want_reread(&schema.name).await,
                OnSchemaChange::Halt => {
                    let text = format!("{}: its columns changed, and its route says halt", schema.name);
                    self.halt_table_at(&schema.name, &Error::new(Code::MysqlSchema, text), at).await
                }
                OnSchemaChange::Reread | OnSchemaChange::Continue => Ok(()),
            },
            TableEvent::Truncated { schema, .. } => self.want_sweep(&schema.name, at).await,
            TableEvent::Dropped { table, .. } => {
                let record = TableRecord { at, ..TableRecord::new(TableState::Dropped) };
                self.tables.set(&table, record.clone());
                self.ledger.set_table(&self.spec.name, &table, &record).await?;
                match self.route_of(&table).is_some_and(|route| route.on_drop_delete) {
                    true => self.want_sweep(&table, at).await,
                    false => Ok(()),
                }
            }
            TableEvent::Halted { table, error } => self.halt_table_at(&table, &error, at).await,
            TableEvent::Unseen { schema, error } => self.unseen(&schema.name, &error, at).await,
        }
    }

    /// A new table, or one of that name again: then what its targets hold is the old one's.
    async fn appeared(&self, schema: &TableSchema, at: Version) -> Result<()> {
        let below = self.held_below(&schema.name, at);
        let routed = !self.routes.sinks_of(schema).is_empty();
        match (below, self.spec.source.backfill) {
            (Some(below), true) if routed => return self.want_healed(&schema.name, below).await.map(drop),
            (Some(below), false) if routed => self.want_sweep(&schema.name, below).await?,
            (None, true) if routed => {
                _ = self.want_backfill(vec![schema.name.to_string()], Vec::new()).await?;
            }
            _ => {}
        }
        // Only now: were it known to be well first, a restart in between would plan nothing.
        self.clear_table(&schema.name).await
    }

    /// Below which version targets hold an older table of the name, or one that was given up. That is this event's own
    /// position, since what is read from here on may have that very version if nothing else happens; but where the old table
    /// was there until now, its rows may have it, too.
    fn held_below(&self, table: &str, at: Version) -> Option<Version> {
        let record = self.tables.get(table)?;
        let old = matches!(record.state, TableState::Dropped | TableState::Halted);
        old.then(|| if record.at == at { at } else { at.previous() })
    }

    /// Rows changed that the source does not tell: all are read again from this position on, and what is gone is swept.
    /// What is being read already may have been read before.
    async fn unseen(&self, table: &str, error: &Error, at: Version) -> Result<()> {
        if !self.spec.source.backfill {
            return self.halt_table_at(table, error, at).await;
        }
        tracing::warn!(pipeline = self.spec.name, table, "{error}: the table is read again");
        self.want_healed(table, at.previous()).await.map(drop)
    }

    /// What targets that keep lines are told of an event after which a table has no rows.
    pub fn emptied(&self, event: &TableEvent, at: Version) -> Option<Change> {
        let (schema, origin) = match event {
            TableEvent::Truncated { schema, origin } => (Arc::clone(schema), Arc::clone(origin)),
            // With a backfill it is told as that begins.
            TableEvent::Appeared(schema)
                if !self.spec.source.backfill && self.held_below(&schema.name, at).is_some() =>
            {
                (Arc::clone(schema), Origin::nobody())
            }
            TableEvent::Dropped { table, schema: Some(schema) } if self.route_of(table)?.on_drop_delete => {
                (Arc::clone(schema), Origin::nobody())
            }
            _ => return None,
        };
        let appears = matches!(event, TableEvent::Appeared(_));
        let told = self.routes.keeps_lines(&schema.name)
            && (appears || !self.tables.halted().contains(&*schema.name));
        told.then(|| Change::of_table(schema, Operation::Truncate, at.previous(), origin))
    }

    fn route_of(&self, table: &str) -> Option<&RouteSpec> {
        let takes = |route: &&RouteSpec| Pattern::parse(&route.table).is_ok_and(|p| p.matches(table, true));
        self.spec.routes.iter().find(takes)
    }

    /// What the table's route wants done when its columns change.
    pub fn on_schema_change(&self, table: &str) -> OnSchemaChange {
        self.route_of(table).map_or(OnSchemaChange::Continue, |route| route.on_schema_change)
    }
}
