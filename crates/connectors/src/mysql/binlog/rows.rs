//! Row events: which table, which columns, and where each row's images stand in the event. Values are `row_format.rs`.

use bytes::Bytes;
use syncline_engine::error::{Code, Error, Result};

use super::bitmap::{Bitmap, bit};
use super::column_type::{JSON, Width};
use super::cursor::{Cursor, little, malformed};
use super::header::{HEADER_LEN, kind};
use super::inflate;
use super::table_map::TableMap;

/// What the rows of an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOperation {
    Write,
    Update,
    Delete,
}

/// How the images of an event are laid out: which columns they hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// The columns that are in the image.
    pub present: Bitmap,
    /// After image of PARTIAL_UPDATE_ROWS: JSON columns may hold diffs, which read as absent.
    pub partial_json: bool,
}

impl Layout {
    /// Whether the images hold every column in full.
    pub fn is_full(&self) -> bool {
        self.present.is_full() && !self.partial_json
    }
}

/// A row event of any version, inflated if it was compressed.
#[derive(Clone, Debug)]
pub struct RowsEvent {
    /// The id that the table map before it gave.
    pub table_id: u64,
    pub operation: RowOperation,
    /// Whether the statement ends here: table ids are void after it.
    pub ends_statement: bool,
    /// Whether it was a MariaDB compressed event: its images' offsets count up ([`Place::compressed`]).
    pub compressed: bool,
    columns: usize,
    before: Option<Layout>,
    after: Option<Layout>,
    rows: Bytes,
    /// Where `rows` begins in the event, for offsets.
    rows_at: usize,
}

/// One row of an event.
#[derive(Clone, Debug)]
pub struct RowImages {
    pub before: Option<Image>,
    pub after: Option<Image>,
}

/// One image of a row.
#[derive(Clone, Debug)]
pub struct Image {
    /// A slice of the event's buffer.
    pub bytes: Bytes,
    /// Byte offset in the binlog file, for the version (DESIGN 1); see [`Place`].
    pub offset: u64,
    /// Rises with the stream within a file where offsets do not: versions end at 4 GiB, and compressed images share bytes.
    pub ordinal: u64,
}

/// Gives images their offsets and ordinals: the same on every replay, whatever else is captured. One for each outer event,
/// shared by all that is inside it.
#[derive(Clone, Debug)]
pub struct Place {
    start: u64,
    compressed: Option<Compressed>,
}

/// A compressed event's own bytes, what they become, and where in that the event inside begins.
#[derive(Clone, Debug)]
struct Compressed {
    size: u64,
    total: u64,
    inner: u64,
}

/// An ordinal is a byte of the file, and within a compressed event's first byte a byte of what is inside.
const INNER_BITS: u32 = 24;

impl Place {
    /// An event at byte `start` of its file: an image's offset is where it really stands.
    pub fn plain(start: u64) -> Place {
        Place { start, compressed: None }
    }

    /// A compressed event (transaction payload, MariaDB's compressed rows) of `size` bytes that become `total`: an image
    /// stands as far into the event as it does into what is inside.
    pub fn compressed(start: u64, size: u32, total: u64) -> Place {
        let compressed = Compressed { size: u64::from(size), total: total.max(1), inner: 0 };
        Place { start, compressed: Some(compressed) }
    }

    /// The event that follows begins at this byte of what is inside.
    pub fn enter(&mut self, at: u64) {
        if let Some(compressed) = &mut self.compressed {
            compressed.inner = at;
        }
    }

    /// Offset and ordinal of the image at a byte of its event.
    pub(super) fn of(&self, at: usize) -> (u64, u64) {
        let ordinal = |offset: u64| offset.min(u64::MAX >> INNER_BITS) << INNER_BITS;
        match &self.compressed {
            None => {
                let offset = self.start.saturating_add(at as u64);
                (offset, ordinal(offset))
            }
            Some(Compressed { size, total, inner }) => {
                let at = inner.saturating_add(at as u64);
                let within = u128::from(at.min(total - 1)) * u128::from(*size) / u128::from(*total);
                let offset = self.start.saturating_add(within as u64);
                (offset, ordinal(self.start).saturating_add(at))
            }
        }
    }
}

/// The server's mark for "no table": such an event only ends a statement.
const DUMMY_TABLE: u64 = 0x00ff_ffff;
const STATEMENT_END: u16 = 0x0001;

/// What a type number means.
struct Variant {
    operation: RowOperation,
    second_version: bool,
    partial: bool,
    compressed: bool,
}

fn variant(event_type: u8) -> Option<Variant> {
    use RowOperation::{Delete, Update, Write};
    let (operation, second_version, compressed) = match event_type {
        kind::WRITE_ROWS_V1 => (Write, false, false),
        kind::UPDATE_ROWS_V1 => (Update, false, false),
        kind::DELETE_ROWS_V1 => (Delete, false, false),
        kind::WRITE_ROWS => (Write, true, false),
        kind::UPDATE_ROWS | kind::PARTIAL_UPDATE_ROWS => (Update, true, false),
        kind::DELETE_ROWS => (Delete, true, false),
        kind::MARIADB_WRITE_ROWS_COMPRESSED_V1 => (Write, false, true),
        kind::MARIADB_UPDATE_ROWS_COMPRESSED_V1 => (Update, false, true),
        kind::MARIADB_DELETE_ROWS_COMPRESSED_V1 => (Delete, false, true),
        kind::MARIADB_WRITE_ROWS_COMPRESSED => (Write, true, true),
        kind::MARIADB_UPDATE_ROWS_COMPRESSED => (Update, true, true),
        kind::MARIADB_DELETE_ROWS_COMPRESSED => (Delete, true, true),
        _ => return None,
    };
    Some(Variant { operation, second_version, partial: event_type == kind::PARTIAL_UPDATE_ROWS, compressed })
}

const WHAT: &str = "rows event";

impl RowsEvent {
    /// Whether a type number is one of rows.
    pub(super) fn is_rows(event_type: u8) -> bool {
        variant(event_type).is_some()
    }

    /// Reads the body of a row event whose table id has `id_len` bytes.
    pub(super) fn parse(event_type: u8, body: &Bytes, id_len: usize) -> Result<RowsEvent> {
        let mut c = Cursor::new(body, WHAT);
        let variant = variant(event_type).ok_or_else(|| c.bad())?;
        let table_id = c.uint(id_len)?;
        let ends_statement = c.u16()? & STATEMENT_END != 0;
        if variant.second_version {
            let extra = usize::from(c.u16()?).checked_sub(2).ok_or_else(|| c.bad())?;
            c.skip(extra)?;
        }
        // Each column takes a bit, not a byte: `count` would refuse wide tables.
        let columns = usize::try_from(c.lenenc()?).map_err(|_| c.bad())?;
        let bitmap_len = columns.div_ceil(8);
        let mut layout = |partial_json| -> Result<Layout> {
            Ok(Layout { present: Bitmap::new(c.take(bitmap_len)?, columns), partial_json })
        };
        let (before, after) = match variant.operation {
            RowOperation::Write => (None, Some(layout(false)?)),
            RowOperation::Delete => (Some(layout(false)?), None),
            RowOperation::Update => (Some(layout(false)?), Some(layout(variant.partial)?)),
        };
        let rows_at = c.at();
        let rows = match variant.compressed {
            true => Bytes::from(inflate::mariadb_event(c.rest(), WHAT)?),
            false => body.slice(rows_at..),
        };
        Ok(RowsEvent {
            table_id,
            operation: variant.operation,
            ends_statement,
            compressed: variant.compressed,
            columns,
            before,
            after,
            rows,
            rows_at: HEADER_LEN + rows_at,
        })
    }

    /// Whether it holds no rows at all and names no table: it only ends a statement.
    pub fn is_dummy(&self) -> bool {
        self.table_id == DUMMY_TABLE && self.rows.is_empty()
    }

    /// Whether it is a PARTIAL_UPDATE_ROWS event (`binlog_row_value_options=PARTIAL_JSON`).
    pub fn is_partial_json(&self) -> bool {
        self.after.as_ref().is_some_and(|l| l.partial_json)
    }

    /// Where its place among the bytes of the file comes from, if it stands at `start` and has `size` bytes.
    pub fn place(&self, start: u64, size: u32) -> Place {
        match self.compressed {
            true => Place::compressed(start, size, (self.rows_at + self.rows.len()) as u64),
            false => Place::plain(start),
        }
    }

    /// Which columns before images hold; `None` for a write.
    pub fn before(&self) -> Option<&Layout> {
        self.before.as_ref()
    }

    /// Which columns after images hold; `None` for a delete.
    pub fn after(&self) -> Option<&Layout> {
        self.after.as_ref()
    }

    /// Walks the rows. `MysqlSchema` if the map has another number of columns.
    pub fn rows<'a>(&'a self, map: &'a TableMap, place: &'a Place) -> Result<RowIter<'a>> {
        map.readable()?;
        if map.columns.len() != self.columns {
            return Err(Error::new(
                Code::MysqlSchema,
                format!(
                    "the table map of {} has {} columns, its rows have {}",
                    map.name(),
                    map.columns.len(),
                    self.columns
                ),
            ));
        }
        // A row of no columns has no bytes (MINIMAL, all defaults): there is one, though nothing stands there.
        let empty = [&self.before, &self.after].into_iter().flatten().all(|l| l.present.ones() == 0);
        let more = !self.rows.is_empty() || (empty && !self.is_dummy());
        Ok(RowIter { event: self, map, place, at: 0, more })
    }

    /// Before and after image of an update as one slice, for `BinlogFormat::merged` (MariaDB's FULL_NODUP).
    pub fn merged(&self, images: &RowImages) -> Option<Image> {
        let (before, after) = (images.before.as_ref()?, images.after.as_ref()?);
        let start = (before.bytes.as_ptr() as usize).checked_sub(self.rows.as_ptr() as usize)?;
        let end = start.checked_add(before.bytes.len())?.checked_add(after.bytes.len())?;
        (end <= self.rows.len()).then(|| Image { bytes: self.rows.slice(start..end), ..after.clone() })
    }
}

/// The rows of an event; ends at the first error.
pub struct RowIter<'a> {
    event: &'a RowsEvent,
    map: &'a TableMap,
    place: &'a Place,
    at: usize,
    more: bool,
}

impl RowIter<'_> {
    fn image(&mut self, layout: &Layout) -> Result<Image> {
        let rest = self.event.rows.get(self.at..).unwrap_or_default();
        let len = image_len(rest, self.map, layout)?;
        let bytes = self.event.rows.slice(self.at..self.at + len);
        let (offset, ordinal) = self.place.of(self.event.rows_at + self.at);
        self.at += len;
        Ok(Image { bytes, offset, ordinal })
    }

    fn images(&mut self) -> Result<RowImages> {
        let event = self.event;
        let before = event.before.as_ref().map(|layout| self.image(layout)).transpose()?;
        let after = event.after.as_ref().map(|layout| self.image(layout)).transpose()?;
        Ok(RowImages { before, after })
    }
}

impl Iterator for RowIter<'_> {
    type Item = Result<RowImages>;

    fn next(&mut self) -> Option<Result<RowImages>> {
        if !self.more {
            return None;
        }
        let before = self.at;
        let images = self.images();
        // A row without a byte would repeat for ever.
        self.more = images.is_ok() && self.at > before && self.at < self.event.rows.len();
        match images {
            Ok(_) if self.at == before && !self.event.rows.is_empty() => Some(Err(malformed(WHAT))),
            images => Some(images),
        }
    }
}

/// How many bytes the image at the beginning of `rest` takes.
fn image_len(rest: &[u8], map: &TableMap, layout: &Layout) -> Result<usize> {
    let mut c = Cursor::new(rest, WHAT);
    if layout.partial_json {
        read_partial(&mut c, map)?;
    }
    let nulls = c.take(layout.present.ones().div_ceil(8))?;
    let mut at = c.at();
    let mut n = 0;
    let full = layout.present.is_full();
    for (column, width) in map.widths.iter().enumerate() {
        if !full && !layout.present.get(column) {
            continue;
        }
        if !bit(nulls, n) {
            at = skip(rest, at, *width).ok_or_else(|| c.bad())?;
        }
        n += 1;
    }
    if at > rest.len() { Err(c.bad()) } else { Ok(at) }
}

/// Where the value at `at` ends; perhaps beyond `rest`.
#[inline]
pub(super) fn skip(rest: &[u8], at: usize, width: Width) -> Option<usize> {
    match width {
        Width::Fixed(n) => Some(at + usize::from(n)),
        Width::Prefixed(1) => Some(at + 1 + usize::from(*rest.get(at)?)),
        Width::Prefixed(n) => {
            let n = usize::from(n);
            let len = little(rest.get(at..)?.get(..n)?) as usize;
            at.checked_add(n)?.checked_add(len)
        }
    }
}

/// What stands before an after image of PARTIAL_UPDATE_ROWS: options, and one bit for each JSON column of the table if
/// some hold diffs. Answers these bits.
pub(super) fn read_partial<'a>(c: &mut Cursor<'a>, map: &TableMap) -> Result<&'a [u8]> {
    const PARTIAL_JSON: u64 = 1;
    let options = c.lenenc()?;
    if options & PARTIAL_JSON == 0 {
        return Ok(&[]);
    }
    let json_columns = map.columns.iter().filter(|k| k.kind == JSON).count();
    c.take(json_columns.div_ceil(8))
}
