//! Keys that somebody named: each is a suspect wherever its row leads, and wherever the key alone does. What is there and what
//! should be is the judge's.

use std::sync::Arc;

use super::buckets::hash;
use super::expected::{Rows, packed};
use super::some::Suspects;
use crate::change::{CaptureBatch, Change, Operation, Origin};
use crate::error::{Code, Error, Result};
use crate::pipeline::Shared;
use crate::position::Position;
use crate::route::{Deliveries, key_parts, key_values, row_of_key};
use crate::row::RowImage;
use crate::schema::{ColumnKind, TableSchema};
use crate::sink::Address;
use crate::version::Version;

/// Rows of a table by their keys.
pub(super) struct Named<'a> {
    pub shared: &'a Arc<Shared>,
    pub schema: &'a Arc<TableSchema>,
    /// Columns of the key.
    pub key: &'a [usize],
    /// As people write them.
    pub texts: &'a [String],
}

impl Named<'_> {
    /// Adds what has to do with them to the suspects of each target.
    pub async fn take(&self, opened: &Position, of_plan: &mut [(u32, Suspects)]) -> Result<()> {
        let mut out = Deliveries::default();
        let mut values = Vec::new();
        self.readable()?;
        for text in self.texts {
            let parts = key_parts(text, self.key, self.schema)?;
            let typed = key_values(self.schema, self.key, &parts)?;
            self.of_archive(text, &packed(&typed), of_plan)?;
            self.gone(row_of_key(self.schema, self.key, &parts), &packed(&typed), &mut out, of_plan)?;
            values.push(typed);
        }
        let reader = self.shared.source.reader();
        let rows = reader.read_keys(self.schema, self.key, &values, opened).await?;
        let rows = Rows::new(rows, self.key);
        rows.expected(&self.shared.routes, &mut out, |expected| {
            let Some((_, suspects)) = of_plan.iter_mut().find(|(plan, _)| *plan == expected.standing.plan.id)
            else {
                return Ok(());
            };
            let key = rows.packed_key(expected.row).unwrap_or_default();
            suspects.push(Some((expected.hash, &expected.standing.address())), &key)
        })
    }

    /// A column that may hold anything has several values of one text: a row that is not found would make its document a stray.
    fn readable(&self) -> Result<()> {
        let columns = self.key.iter().map(|column| &self.schema.columns[*column]);
        match columns.into_iter().find(|column| matches!(column.kind, ColumnKind::Any)) {
            None => Ok(()),
            Some(column) => {
                let what = format!(
                    "{}: column {} has no type, so keys cannot be named",
                    self.schema.name, column.name
                );
                Err(Error::new(Code::Unknown, what).fix("compare all of the table: leave out --key"))
            }
        }
    }

    /// In an archive the key is all that tells a document from others, wherever its lines lie.
    fn of_archive(&self, text: &str, key: &[u8], of_plan: &mut [(u32, Suspects)]) -> Result<()> {
        let address = Address { target: Arc::default(), id: text.into() };
        for (_, plan) in self.shared.routes.targets_of(&self.schema.name) {
            let suspects = of_plan.iter_mut().find(|(id, _)| *id == plan.id);
            if let Some((_, suspects)) = suspects.filter(|_| plan.spec.kind.keeps_lines()) {
                suspects.push(Some((hash(plan, &address), &address)), key)?;
            }
        }
        Ok(())
    }

    /// Where a document lies that has no row: where the key alone tells it.
    fn gone(
        &self,
        row: RowImage,
        key: &[u8],
        out: &mut Deliveries,
        of_plan: &mut [(u32, Suspects)],
    ) -> Result<()> {
        let gone =
            Change::of_table(Arc::clone(self.schema), Operation::Delete, Version::ZERO, Origin::nobody());
        let change = Change { before: Some(row), ..gone };
        let batch = Arc::new(CaptureBatch::at(Position::nowhere(Version::ZERO), vec![change]));
        out.clear();
        // Filters and addresses may need more of the row than its key.
        if self.shared.routes.deliver(&batch, 0, out).is_err() {
            return Ok(());
        }
        for (_, delivery) in &out.items {
            if let Some((_, suspects)) = of_plan.iter_mut().find(|(plan, _)| *plan == delivery.plan.id) {
                suspects.push(Some((hash(&delivery.plan, &delivery.address), &delivery.address)), key)?;
            }
        }
        Ok(())
    }
}
