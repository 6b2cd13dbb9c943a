//! Row events become changes: which table, which images, which version.

use std::sync::Arc;

use syncline_engine::change::{Change, Operation};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::row::RowImage;
use syncline_engine::version::Version;

use super::follow::Follow;
use super::formats::EventFormats;
use super::tables::{Mapped, State, Target};
use super::transaction::Transaction;
use crate::mysql::binlog::{EventHeader, Image, Place, RowImages, RowOperation, RowsEvent, TableMap};
use crate::mysql::schema::TableName;

/// Servers end some statements with a row event of this id and no rows.
const DUMMY_ID: u64 = 0xff_ffff;

impl Follow {
    /// A table map: finds out what its id stands for, once for each map.
    pub(super) async fn table_map(&mut self, table_id: u64, map: Arc<TableMap>, at: u64) -> Result<()> {
        if self.transaction.is_none() {
            self.begin(Transaction::new(at));
        }
        if self.tables.is_mapped(table_id, &map) {
            return Ok(());
        }
        let name = TableName::new(&map.database, &map.table);
        let target = match self.tables.state(&name) {
            Some(State::Captured(known)) => match Target::new(name.clone(), known, &map) {
                Ok(target) => Some(target),
                Err(error) => {
                    let message = format!("{name}: {}", error.message());
                    let mut halted = Error::new(Code::MysqlSchema, message);
                    if let Some(cause) = error.cause_text() {
                        halted = halted.cause(cause);
                    }
                    self.halt_table(&name, halted, at).await?;
                    None
                }
            },
            Some(_) => None,
            None if self.takes(&name) => {
                self.meet(&name, at).await?;
                None
            }
            None => None,
        };
        self.tables.map(table_id, Mapped { name, map, stale: false, target });
        Ok(())
    }

    /// Rows: nothing for tables that nobody wants.
    pub(super) async fn rows(
        &mut self,
        header: &EventHeader,
        event: &RowsEvent,
        place: &Place,
        at: u64,
    ) -> Result<()> {
        let Some(mapped) = self.tables.mapped(event.table_id) else {
            if event.table_id == DUMMY_ID {
                return Ok(());
            }
            return Err(Error::new(
                Code::MysqlDecode,
                format!("rows of table id {} without its map", event.table_id),
            ));
        };
        let Some(target) = &mut mapped.target else {
            let name = mapped.name.clone();
            self.pass_over(&name);
            return Ok(());
        };
        let (map, schema) = (Arc::clone(&mapped.map), Arc::clone(&target.schema));
        let formats = target.formats.of(event);
        if formats.partial && schema.primary_key.is_empty() {
            let name = target.name.clone();
            let what =
                "the binlog holds rows without all of their columns, and no primary key to read them by";
            let error = Error::new(Code::MysqlPartialImage, format!("{name}: {what}"));
            return self.halt_table(&name, error, at).await;
        }
        let origin = {
            let Some(transaction) = &mut self.transaction else {
                return Err(Error::new(Code::MysqlDecode, "rows outside of a transaction"));
            };
            transaction.touches(&schema);
            transaction.origin(&self.head.file, header)
        };
        let prepares = self.transaction.as_ref().is_some_and(|transaction| transaction.prepares);
        let (epoch, number) = (self.epoch, self.head.number);
        let version = |image: &Image| Version::new(epoch, number, image.offset);
        for images in event.rows(&map, place)? {
            let (change, bytes) = change(event, images?, &formats, version)
                .map(|(part, bytes)| (part.complete(&schema, &origin), bytes))?;
            if prepares {
                self.hold(&change).await?;
                continue;
            }
            self.completion.is_due |= formats.partial;
            let (head, gtids, identity) = (&self.head, &self.gtids, &self.identity);
            self.builder.push(change, bytes, || head.position(head.settled, gtids, identity, epoch));
            if self.builder.full() {
                self.cut().await?;
            }
        }
        self.kept(header.size as usize);
        Ok(())
    }
}

/// A change without what all changes of its event share.
pub(super) struct Part {
    operation: Operation,
    before: Option<RowImage>,
    after: Option<RowImage>,
    version: Version,
    before_version: Version,
    offset: u64,
    ordinal: u64,
}

impl Part {
    pub fn complete(
        self,
        schema: &Arc<syncline_engine::schema::TableSchema>,
        origin: &Arc<syncline_engine::change::Origin>,
    ) -> Change {
        Change {
            schema: Arc::clone(schema),
            operation: self.operation,
            before: self.before,
            after: self.after,
            version: self.version,
            before_version: self.before_version,
            offset: self.offset,
            ordinal: self.ordinal,
            origin: Arc::clone(origin),
        }
    }
}

/// What the images of one row of an event say, and their bytes.
pub(super) fn change(
    event: &RowsEvent,
    images: RowImages,
    formats: &EventFormats,
    version: impl Fn(&Image) -> Version,
) -> Result<(Part, usize)> {
    let lacks = || Error::new(Code::MysqlDecode, "a row without its images");
    let merged = if formats.merged { Some(event.merged(&images).ok_or_else(lacks)?) } else { None };
    let row = |image: Image, format: &Arc<dyn syncline_engine::row::RowFormat>| RowImage {
        bytes: image.bytes,
        format: format.clone(),
    };
    let RowImages { before, after } = images;
    let (own, operation) = match event.operation {
        RowOperation::Write => (after.as_ref(), Operation::Insert),
        RowOperation::Update => (after.as_ref(), Operation::Update),
        RowOperation::Delete => (before.as_ref(), Operation::Delete),
    };
    let own = own.ok_or_else(lacks)?;
    let (offset, ordinal, own_version) = (own.offset, own.ordinal, version(own));
    let before_version = before.as_ref().map_or(own_version, &version);
    let bytes = before.as_ref().map_or(0, |i| i.bytes.len()) + after.as_ref().map_or(0, |i| i.bytes.len());
    let part = Part {
        operation,
        before: before.map(|image| row(image, &formats.before)),
        after: merged.or(after).map(|image| row(image, &formats.after)),
        version: own_version,
        before_version,
        offset,
        ordinal,
    };
    Ok((part, bytes))
}
