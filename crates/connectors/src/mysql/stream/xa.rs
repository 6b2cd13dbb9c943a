//! XA in the stream: what is prepared is held, and becomes changes at the place of its commit (DESIGN 4.1).
//! How it is kept over restarts is `prepared.rs`.

use std::collections::{BTreeSet, HashMap};
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
                    // It may have changed any table.
                    let what = format!("XA COMMIT {xid} of rows that were prepared before the stream began");
                    return self.unseen(self.tables.captured(), &what).await;
                };
                self.let_go(header, &known, at).await
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
        self.prepared.prepare(began, ONE_PHASE);
        match self.prepared.find(ONE_PHASE, self.spot(at)) {
            Some(known) => self.let_go(header, &known, at).await,
            None => self.commit().await,
        }
    }

    /// A row of a transaction that is not committed yet.
    pub(super) async fn hold(&mut self, change: &Change) -> Result<()> {
        let began = self.began();
        if self.prepared.add(began, change)? {
            self.prepared.spill(&*self.context.ledger, &self.context.pipeline).await?;
        }
        Ok(())
    }

    /// Rows of a table that is not captured. If it is by the time of the commit (it need not even be meant now), they are
    /// missing.
    pub(super) fn pass_over(&mut self, table: &TableName) {
        if self.transaction.as_ref().is_some_and(|t| t.prepares) {
            let began = self.began();
            self.prepared.pass_over(began, table);
        }
    }

    /// Before a position is told: what lies behind it must not be needed again.
    pub(super) async fn keep_prepared(&mut self) -> Result<()> {
        let context = &self.context;
        self.prepared.keep(&*context.ledger, &context.pipeline, context.acknowledged()).await
    }

    /// The held rows become changes of the transaction that commits them at `at`, which ends here.
    async fn let_go(&mut self, header: &EventHeader, known: &Known, at: u64) -> Result<()> {
        let context = Arc::clone(&self.context);
        let mut counts = HashMap::new();
        let mut unread = BTreeSet::new();
        for part in 0..=known.parts {
            for row in decode(known.part(&*context.ledger, &context.pipeline, part).await?)? {
                // Two numbers for each row of a table, whichever others are captured (`Change::ordinal`).
                let count = counts.entry(row.table.clone()).or_insert(0);
                *count += 2;
                let ordinal = *count;
                if let Some(table) = self.let_one_go(header, row, at, ordinal).await? {
                    unread.insert(table);
                }
            }
        }
        let passed_over = known.passed_over.iter().map(|(database, table)| TableName::new(database, table));
        unread.extend(passed_over.filter(|name| self.tables.known(name).is_some()));
        if unread.is_empty() {
            self.prepared.end(known.at, self.spot(at));
            return self.commit().await;
        }
        // Its other rows, while it is still known for a start from here.
        self.hand_over().await?;
        self.prepared.end(known.at, self.spot(at));
        let what =
            format!("XA COMMIT {} of rows that were prepared before it was captured, or altered", known.xid);
        self.unseen(unread, &what).await
    }

    /// The transaction that is committed here may have changed these tables in ways that nobody has seen. Whoever reads them
    /// from its end on sees its rows; so nobody is told of that end before he is told this.
    async fn unseen(&mut self, tables: impl IntoIterator<Item = TableName>, what: &str) -> Result<()> {
        self.hand_over().await?;
        self.close_transaction().await?;
        for name in tables {
            let Some(schema) = self.tables.known(&name).map(|known| Arc::clone(&known.schema)) else {
                continue;
            };
            let error = Error::new(Code::MysqlXa, format!("{name}: {what}"));
            self.tell(TableEvent::Unseen { schema, error }).await?;
        }
        self.tell_position(false).await
    }

    /// Answers the table, if it was altered since.
    async fn let_one_go(
        &mut self,
        header: &EventHeader,
        row: HeldRow,
        at: u64,
        ordinal: u64,
    ) -> Result<Option<TableName>> {
        // A table that is given up, or joins further on, is read again from there.
        let Some(known) = self.tables.known(&row.table) else { return Ok(None) };
        let schema = Arc::clone(&known.schema);
        if schema.columns.len() != row.columns {
            return Ok(Some(row.table));
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
            ordinal,
            origin: transaction.origin(&self.head.file, header),
        };
        let (head, gtids, identity, epoch) = (&self.head, &self.gtids, &self.identity, self.epoch);
        self.builder.push(change, bytes, || head.position(head.settled, gtids, identity, epoch));
        if self.builder.full() {
            self.cut().await?;
        }
        Ok(None)
    }
}
