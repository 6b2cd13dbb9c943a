//! XA transactions between their two phases: their rows stand at XA PREPARE, and count from XA COMMIT on, which has none.
//! They are kept in memory until a position beyond the PREPARE is told, and in the ledger from then on: so the checkpoint
//! may pass them, however long they stay open. What the stream does with their rows is `xa.rs`.

use serde::{Deserialize, Serialize};
use syncline_engine::change::{Change, Operation};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::Ledger;
use syncline_engine::packed;
use syncline_engine::row::RowImage;
use syncline_engine::version::Version;

use crate::mysql::schema::TableName;

const PROPERTY: &str = "mysql.prepared";
/// A transaction's rows are written to the ledger whenever so many bytes have come together.
const PART: usize = 1 << 20;
const NONE: u32 = u32::MAX;

/// A place in the binlog, beyond 4 GiB too, where versions end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Spot {
    pub epoch: u16,
    pub file: u64,
    pub offset: u64,
}

impl Spot {
    /// As a change there would have it.
    pub fn version(self) -> Version {
        Version::new(self.epoch, self.file, self.offset)
    }
}

/// One transaction.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Known {
    pub xid: String,
    /// Where it was begun, and under which name the ledger has its rows.
    pub at: Spot,
    /// How many parts of its rows the ledger has.
    pub parts: u32,
    /// Tables whose rows in it were passed over, since nobody captured them then.
    pub passed_over: Vec<(String, String)>,
    /// Where it was committed or rolled back.
    pub ended: Option<Spot>,
    /// Rows that come after those parts.
    #[serde(skip)]
    pub rest: Vec<u8>,
    /// The ledger does not know of it.
    #[serde(skip)]
    unwritten: bool,
}

impl Known {
    fn name(&self) -> String {
        format!("xa {}.{}.{}", self.at.epoch, self.at.file, self.at.offset)
    }

    /// The rows of one part; the last one is `rest`.
    pub async fn part(&self, ledger: &dyn Ledger, pipeline: &str, part: u32) -> Result<Vec<u8>> {
        if part == self.parts {
            return Ok(self.rest.clone());
        }
        let missing = || damaged(&format!("part {part} of the XA transaction {} is missing", self.xid));
        ledger.held(pipeline, &self.name(), part).await?.ok_or_else(missing)
    }

    async fn write_rest(&mut self, ledger: &dyn Ledger, pipeline: &str) -> Result<()> {
        if !self.rest.is_empty() {
            let rows = std::mem::take(&mut self.rest);
            ledger.hold(pipeline, &self.name(), self.parts, rows).await?;
            self.parts += 1;
        }
        Ok(())
    }
}

/// All that are open, and those whose end is not durable everywhere.
#[derive(Debug, Default)]
pub struct Prepared {
    all: Vec<Known>,
    /// The one whose rows are being read.
    open: Option<Known>,
    /// The ledger's list is not this one.
    is_changed: bool,
}

impl Prepared {
    /// As the ledger has them.
    pub async fn load(ledger: &dyn Ledger, pipeline: &str) -> Result<Prepared> {
        let all = match ledger.property(pipeline, PROPERTY).await? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|e| damaged("the list of prepared transactions cannot be read").cause(e))?,
            None => Vec::new(),
        };
        Ok(Prepared { all, ..Prepared::default() })
    }

    fn open(&mut self, at: Spot) -> &mut Known {
        let open = self.open.take().filter(|open| open.at == at);
        self.open.insert(open.unwrap_or_else(|| Known { at, unwritten: true, ..Known::default() }))
    }

    /// Adds a row of the transaction that was begun at `at`. True if it is time to [`Prepared::spill`].
    pub fn add(&mut self, at: Spot, change: &Change) -> Result<bool> {
        let open = self.open(at);
        encode(change, &mut open.rest)?;
        Ok(open.rest.len() >= PART)
    }

    /// The transaction that was begun at `at` changes a table that nobody captures now.
    pub fn pass_over(&mut self, at: Spot, table: &TableName) {
        let open = self.open(at);
        let table = (table.database.clone(), table.table.clone());
        if !open.passed_over.contains(&table) {
            open.passed_over.push(table);
        }
    }

    /// Writes the open transaction's rows to the ledger.
    pub async fn spill(&mut self, ledger: &dyn Ledger, pipeline: &str) -> Result<()> {
        match &mut self.open {
            Some(open) => open.write_rest(ledger, pipeline).await,
            None => Ok(()),
        }
    }

    /// The first phase ends.
    pub fn prepare(&mut self, at: Spot, xid: &str) {
        self.open(at);
        let known = self.open.take().unwrap_or_default();
        self.all.push(Known { xid: xid.to_owned(), ..known });
    }

    /// The transaction of this name that ends at `at`: names are used again.
    pub fn find(&self, xid: &str, at: Spot) -> Option<Known> {
        self.all
            .iter()
            .filter(|known| known.xid == xid && known.at < at)
            .max_by_key(|known| known.at)
            .cloned()
    }

    /// It has ended there.
    pub fn end(&mut self, began: Spot, at: Spot) {
        for known in self.all.iter_mut().filter(|known| known.at == began) {
            known.ended = Some(at);
            self.is_changed |= !known.unwritten;
        }
    }

    /// Makes durable what a start beyond here needs. `acknowledged`: nothing below comes again.
    pub async fn keep(&mut self, ledger: &dyn Ledger, pipeline: &str, acknowledged: Version) -> Result<()> {
        // What ended before a position behind its first phase was told comes again whole, or not at all.
        let over =
            |known: &Known| known.ended.is_some_and(|at| known.unwritten || at.version() < acknowledged);
        let (gone, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.all).into_iter().partition(over);
        self.all = left;
        let unlisted = gone.iter().any(|known| !known.unwritten);
        if self.is_changed || unlisted || self.all.iter().any(|known| known.unwritten) {
            self.write(ledger, pipeline).await?;
        }
        // After the list: rows without an entry are of no use, an entry without its rows would be a gap.
        for known in gone.iter().filter(|known| known.parts > 0) {
            ledger.forget_held(pipeline, &known.name()).await?;
        }
        Ok(())
    }

    async fn write(&mut self, ledger: &dyn Ledger, pipeline: &str) -> Result<()> {
        for known in &mut self.all {
            known.write_rest(ledger, pipeline).await?;
            known.unwritten = false;
        }
        let list = serde_json::to_string(&self.all).map_err(|e| damaged("prepared transactions").cause(e))?;
        ledger.set_property(pipeline, PROPERTY, &list).await?;
        self.is_changed = false;
        Ok(())
    }
}

fn damaged(what: &str) -> Error {
    Error::new(Code::LedgerFormat, what)
}

/// A row that was held.
pub struct HeldRow {
    pub table: TableName,
    /// How many columns its table had.
    pub columns: usize,
    pub operation: Operation,
    pub before: Option<RowImage>,
    pub after: Option<RowImage>,
}

/// One row: operation, which images are partial, number of columns, names and images, each behind its length.
fn encode(change: &Change, out: &mut Vec<u8>) -> Result<()> {
    let columns = change.schema.columns.len();
    let partial = |image: &Option<RowImage>| image.as_ref().is_some_and(RowImage::is_partial);
    out.push(match change.operation {
        Operation::Insert => 0,
        Operation::Update => 1,
        _ => 2,
    });
    out.push(u8::from(partial(&change.before)) | u8::from(partial(&change.after)) << 1);
    out.extend_from_slice(&(columns as u32).to_le_bytes());
    let mut put = |bytes: Option<&[u8]>| {
        out.extend_from_slice(&bytes.map_or(NONE, |bytes| bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(bytes.unwrap_or_default());
    };
    put(Some(change.schema.database.as_bytes()));
    put(Some(change.schema.table.as_bytes()));
    for image in [&change.before, &change.after] {
        let packed = image.as_ref().map(|image| packed::repack(image, columns)).transpose()?;
        put(packed.as_deref());
    }
    Ok(())
}

/// The rows of a part.
pub fn decode(part: Vec<u8>) -> Result<Vec<HeldRow>> {
    let mut rest = bytes::Bytes::from(part);
    let mut rows = Vec::new();
    while !rest.is_empty() {
        rows.push(decode_one(&mut rest).ok_or_else(|| damaged("rows of a prepared transaction"))?);
    }
    Ok(rows)
}

fn decode_one(rest: &mut bytes::Bytes) -> Option<HeldRow> {
    fn take(rest: &mut bytes::Bytes, count: usize) -> Option<bytes::Bytes> {
        (count <= rest.len()).then(|| rest.split_to(count))
    }
    fn number(rest: &mut bytes::Bytes) -> Option<u32> {
        Some(u32::from_le_bytes(take(rest, 4)?[..].try_into().ok()?))
    }
    let next = |rest: &mut bytes::Bytes| match number(rest)? {
        NONE => Some(None),
        length => Some(Some(take(rest, length as usize)?)),
    };
    let (operation, partial) = (take(rest, 1)?[0], take(rest, 1)?[0]);
    let columns = number(rest)? as usize;
    let text = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).ok();
    let (database, table) = (text(next(rest)??)?, text(next(rest)??)?);
    let image = |bytes: Option<bytes::Bytes>, partial: bool| {
        bytes.map(|bytes| if partial { packed::partial_image(bytes) } else { packed::image(bytes) })
    };
    Some(HeldRow {
        table: TableName::new(&database, &table),
        columns,
        operation: match operation {
            0 => Operation::Insert,
            1 => Operation::Update,
            2 => Operation::Delete,
            _ => return None,
        },
        before: image(next(rest)?, partial & 1 > 0),
        after: image(next(rest)?, partial & 2 > 0),
    })
}

#[cfg(test)]
#[path = "prepared_tests.rs"]
mod tests;
