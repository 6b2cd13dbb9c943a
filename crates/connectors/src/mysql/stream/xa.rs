//! XA in the stream: what is prepared is held, and becomes changes at the place of its commit (DESIGN 4.1).
//! How it is kept over restarts is `prepared.rs`.

use std::sync::Arc;

use syncline_engine::change::{Change, TableEvent};
use syncline_engine::error::{Code, Error, Result};

use super::follow::Follow;
use super::prepared::{HeldRow, Known, Spot, decode};
use super::transaction::Transaction;
use crate::mysql::binlog::{EventHeader, XaPrepare};
use crate::mysql::ddl::Xa;
use crate::mysql::schema::TableName;

/// What is committed in one phase needs no name: it ends where it is prepared.
const ONE_PHASE: &str = "";

impl Follow {
    /// A statement of XA that stands at `at`.
    pub(super) async fn xa(&mut self, header: &EventHeader, xa: Xa, at: u64) -> Result<()> {
        match xa {
            Xa::Start => {
                self.begun(at)?;
                if let Some(transaction) = &mut self.transaction {
                    transaction.prepares = true;
                }
                Ok(())
            }
            Xa::End | Xa::Prepare => Ok(()),
            Xa::Commit { one_phase: true, .. } => self.one_phase(header, at).await,
            Xa::Rollback { xid } => {
                let here = self.spot(at);
                if let Some(known) = self.prepared.find(&xid, here) {
                    self.prepared.end(known.at, here);
                }
                self.end_of_xa(at).await
            }
            Xa::Commit { xid, .. } => {
                let here = self.spot(at);
                if self.transaction.is_none() {
                    self.begin(Transaction::new(at));
                }
                let Some(known) = self.prepared.find(&xid, here) else {
                    return self.unseen(&xid).await;
                };
                self.let_go(header, &known, at).await?;
                self.prepared.end(known.at, here);
                self.commit().await
            }
        }
    }

    fn spot(&self, offset: u64) -> Spot {
        Spot { epoch: self.epoch, file: self.head.number, offset }
    }

    /// Under which place the rows of the transaction at hand are held.
    fn began(&self) -> Spot {
        self.spot(self.transaction.as_ref().map_or(self.head.settled, |transaction| transaction.start))
    }

    async fn end_of_xa(&mut self, at: u64) -> Result<()> {
        if self.transaction.is_none() {
            self.begin(Transaction::new(at));
        }
        self.commit().await
    }

    /// The end of the first phase, or of both.
    pub(super) async fn xa_prepared(
        &mut self,
        header: &EventHeader,
        prepare: &XaPrepare,
        at: u64,
    ) -> Result<()> {
        if prepare.one_phase {
            return self.one_phase(header, at).await;
        }
        let began = self.began();
        self.prepared.prepare(began, &prepare.xid.to_string());
        self.commit().await
    }

    async fn one_phase(&mut self, header: &EventHeader, at: u64) -> Result<()> {
        let began = self.began();
        let here = self.spot(at);
        self.prepared.prepare(began, ONE_PHASE);
        if let Some(known) = self.prepared.find(ONE_PHASE, here) {
            self.let_go(header, &known, at).await?;
        }
        self.prepared.end(began, here);
        self.commit().await
    }

    /// A row of a transaction that is not committed yet.
    pub(super) async fn hold(&mut self, change: &Change) -> Result<()> {
        let began = self.began();
        if self.prepared.add(began, change)? {
            self.prepared.spill(&*self.context.ledger, &self.context.pipeline).await?;
        }
        Ok(())
    }

    /// Rows of a table that is meant, but not captured at present. If it is by the time of the commit, they are missing.
    pub(super) fn pass_over(&mut self, table: &TableName) {
        if self.transaction.as_ref().is_some_and(|t| t.prepares) && self.takes(table) {
            let began = self.began();
            self.prepared.pass_over(began, table);
        }
    }

    /// Before a position is told: what lies behind it must not be needed again.
    pub(super) async fn keep_prepared(&mut self) -> Result<()> {
        let context = &self.context;
        self.prepared.keep(&*context.ledger, &context.pipeline, context.acknowledged()).await
    }

    /// The held rows become changes of the transaction that commits them at `at`.
    async fn let_go(&mut self, header: &EventHeader, known: &Known, at: u64) -> Result<()> {
        let context = Arc::clone(&self.context);
        for part in 0..=known.parts {
            for row in decode(known.part(&*context.ledger, &context.pipeline, part).await?)? {
                self.let_one_go(header, row, at).await?;
            }
        }
        for (database, table) in &known.passed_over {
            let name = TableName::new(database, table);
            if self.tables.known(&name).is_some() {
                let what = format!(
                    "{name}: XA COMMIT {} of rows that were prepared before it was captured",
                    known.xid
                );
                self.halt_table(&name, Error::new(Code::MysqlXa, what), at).await?;
            }
        }
        Ok(())
    }

    /// The transaction that is committed here may have changed any table, before the stream began. Whoever reads them from
    /// its end on sees its rows; so nobody is told of that end before he is told this.
    async fn unseen(&mut self, xid: &str) -> Result<()> {
        if self.builder.has_whole() {
            self.flush().await?;
        }
        self.close_transaction().await?;
        for name in self.tables.captured() {
            let Some(schema) = self.tables.known(&name).map(|known| Arc::clone(&known.schema)) else {
                continue;
            };
            let what = format!("{name}: XA COMMIT {xid} of rows that were prepared before the stream began");
            self.tell(TableEvent::Unseen { schema, error: Error::new(Code::MysqlXa, what) }).await?;
        }
        self.tell_position(false).await
    }

    async fn let_one_go(&mut self, header: &EventHeader, row: HeldRow, at: u64) -> Result<()> {
        // A table that is given up, or joins further on, is read again from there.
        let Some(known) = self.tables.known(&row.table) else { return Ok(()) };
        let schema = Arc::clone(&known.schema);
        if schema.columns.len() != row.columns {
            let what = format!("{}: it was altered while an XA transaction on it was prepared", row.table);
            return self.halt_table(&row.table, Error::new(Code::MysqlSchema, what), at).await;
        }
        let version = self.spot(at).version();
        let Some(transaction) = &mut self.transaction else {
            return Err(Error::new(Code::MysqlDecode, "rows outside of a transaction"));
        };
        transaction.touches(&schema);
        let bytes = [&row.before, &row.after].into_iter().flatten().map(|image| image.bytes.len()).sum();
        self.completion.is_due |= row.after.as_ref().is_some_and(|image| image.is_partial());
        let change = Change {
            schema,
            operation: row.operation,
            before: row.before,
            after: row.after,
            version,
            before_version: version,
            offset: at,
            origin: transaction.origin(&self.head.file, header),
        };
        let (head, gtids, identity, epoch) = (&self.head, &self.gtids, &self.identity, self.epoch);
        self.builder.push(change, bytes, || head.position(head.settled, gtids, identity, epoch));
        if self.builder.full() { self.cut().await } else { Ok(()) }
    }
}
