//! Writes the documents of some rows anew at one sink, whatever it holds: the rows are read under windows and go through the
//! lanes. What has no row is found and deleted by the comparison that follows, not here.

use std::sync::Arc;

use super::portion::Portion;
use super::read_again::ReadAgain;
use super::report::VerifyRequest;
use super::settled::Waiting;
use super::span::Span;
use crate::error::{Code, Error, Result};
use crate::pipeline::{Port, Shared};
use crate::position::Position;
use crate::schema::TableSchema;
use crate::source::ReadRows;

/// Bytes of rows that are on their way at once, about.
const AT_ONCE: usize = 4 << 20;
/// Rows of the first range, before their size is known.
const FIRST: usize = 100;

/// Rewrites what the request names, one table after the other; answers how many rows. May be done again.
pub(crate) async fn rewrite(shared: &Arc<Shared>, request: &VerifyRequest) -> Result<u64> {
    let mut rows = 0;
    for schema in
        shared.source.tables().await?.iter().filter(|s| request.tables.iter().any(|t| **t == *s.name))
    {
        let key = shared.routes.key_columns(schema);
        let key = key.ok_or_else(|| Error::new(Code::RouteNoKey, format!("{} has no key", schema.name)))?;
        let portion = Portion::of(shared, schema, &key, request)?;
        if portion.is_none() && request.only.is_some() {
            let what = format!("{} has no column that names the tenant", schema.name);
            return Err(Error::new(Code::ResyncPart, what));
        }
        for port in shared.ports().iter().filter(|port| request.sinks.contains(&port.name)) {
            let (schema, portion) = (schema, portion.as_ref());
            rows += Rewriting { shared, schema, key: &key, port, portion }.all().await?;
        }
    }
    Ok(rows)
}

/// One table at one sink.
struct Rewriting<'a> {
    shared: &'a Arc<Shared>,
    schema: &'a Arc<TableSchema>,
    /// Columns of the key.
    key: &'a [usize],
    port: &'a Port,
    portion: Option<&'a Portion>,
}

impl Rewriting<'_> {
    async fn all(&self) -> Result<u64> {
        let Rewriting { shared, schema, key, port, .. } = *self;
        Waiting { shared, sink: port.index, table: &schema.name }.filled().await?;
        let reader = shared.source.reader();
        let Some(span) = Span::of(&*reader, schema, key, self.portion).await? else { return Ok(0) };
        let again = ReadAgain { shared, schema, key, port };
        let (reader, span) = (&reader, &span);
        let mut written = 0;
        let first = |opened: Position| async move {
            let none = || Error::new(Code::Internal, "a range without its lower end");
            span.first(&**reader, schema, key, &opened).await?.ok_or_else(none)
        };
        if span.after.is_some() {
            written += again.rows(first).await?;
        }
        let (mut after, mut many) = (span.after.clone(), FIRST);
        while let Some(upto) = reader.next_bound(schema, key, after.as_ref(), &span.last, many).await? {
            let (from, to) = (after.as_ref(), &upto);
            let size = std::sync::atomic::AtomicUsize::new(0);
            let seen = &size;
            let read = |opened: Position| async move {
                let mut rows: ReadRows = reader.read_range(schema, key, from, to, &opened).await?;
                let bytes: usize = rows.rows.iter().map(|row| row.bytes.len()).sum();
                seen.store(bytes / rows.rows.len().max(1), std::sync::atomic::Ordering::Relaxed);
                rows.rows.retain(|row| self.portion.is_none_or(|portion| portion.owns(row)));
                Ok(rows)
            };
            written += again.rows(read).await?;
            let most = shared.spec.source.chunk_rows.max(1);
            many = (AT_ONCE / size.into_inner().max(1)).clamp(1, most);
            let ended = upto == span.last;
            after = Some(upto);
            if ended {
                break;
            }
        }
        Ok(written)
    }
}
