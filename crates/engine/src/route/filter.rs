//! A route's filters bound to a table: which rows pass, and the name of the rule that a dropped row counts under.

use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::json::ZeroDates;
use crate::route::cells::{Cells, Class};
use crate::route::expression::Expression;
use crate::route::key::key_cells;
use crate::route::{FilterSpec, FilterTest, decimal};
use crate::row::RowImage;
use crate::schema::TableSchema;

/// A filter whose columns are slots.
#[derive(Debug)]
pub(crate) struct Filter {
    pub name: Arc<str>,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Listed { slot: usize, values: Vec<Option<String>>, passes: bool },
    When(Expression),
}

impl Filter {
    /// Binds a filter; `slot` answers the slot of a source column.
    pub fn bind(spec: &FilterSpec, slot: &mut dyn FnMut(&str) -> Result<usize>) -> Result<Filter> {
        let test = match &spec.test {
            FilterTest::Exclude { field, values } => {
                Test::Listed { slot: slot(field)?, values: values.clone(), passes: false }
            }
            FilterTest::Include { field, values } => {
                Test::Listed { slot: slot(field)?, values: values.clone(), passes: true }
            }
            FilterTest::When(text) => Test::When(Expression::parse(text, slot)?),
        };
        Ok(Filter { name: spec.name.as_str().into(), test })
    }

    /// Whether the row passes.
    pub fn passes(&self, cells: &Cells, zero_dates: ZeroDates) -> bool {
        match &self.test {
            Test::When(expression) => expression.test(cells, zero_dates) == Some(true),
            Test::Listed { slot, values, passes } => {
                values.iter().any(|value| equal(cells, *slot, value.as_deref(), zero_dates)) == *passes
            }
        }
    }
}

fn equal(cells: &Cells, slot: usize, value: Option<&str>, zero_dates: ZeroDates) -> bool {
    let class = cells.class(slot);
    let shown_as_null = class == Class::ZeroDate && zero_dates == ZeroDates::Null;
    match (cells.text(slot), value) {
        (None, None) => true,
        (Some(_), None) => shown_as_null,
        (None, Some(_)) => false,
        (Some(text), Some(value)) if matches!(class, Class::Number | Class::Decimal) => {
            let number = match value {
                "true" => "1",
                "false" => "0",
                number => number,
            };
            decimal::compare(text, number).is_some_and(std::cmp::Ordering::is_eq)
        }
        (Some(text), Some(value)) => text == value,
    }
}

/// A `when` text that rows of one table are asked outside of any route.
#[derive(Debug)]
pub struct RowTest {
    /// What it looks at, by slot.
    columns: Vec<usize>,
    expression: Expression,
    zero_dates: ZeroDates,
}

impl RowTest {
    /// Fails if it cannot be read, or names a column that the table lacks.
    pub fn bind(text: &str, schema: &TableSchema, zero_date_text: bool) -> Result<RowTest> {
        let mut columns = Vec::new();
        let expression = Expression::parse(text, &mut |name| {
            let column = schema.column(name).ok_or_else(|| {
                Error::new(Code::RouteColumn, format!("{} has no column `{name}`", schema.name))
            })?;
            let known = columns.iter().position(|known| *known == column);
            Ok(known.unwrap_or_else(|| {
                columns.push(column);
                columns.len() - 1
            }))
        })?;
        let zero_dates = if zero_date_text { ZeroDates::Text } else { ZeroDates::Null };
        Ok(RowTest { columns, expression, zero_dates })
    }

    /// Whether it is true for a row. Fails for a row that cannot be read, or lacks a column that it looks at.
    pub fn passes(&self, row: &RowImage) -> Result<bool> {
        let cells = key_cells(row, &self.columns)?;
        if (0..self.columns.len()).any(|slot| cells.class(slot) == Class::Absent) {
            return Err(Error::new(Code::RouteColumn, "the row lacks a column of the condition"));
        }
        Ok(self.expression.test(&cells, self.zero_dates) == Some(true))
    }
}

/// What is wrong with a `when` text, whatever the table's columns are.
pub fn check_when(text: &str) -> Option<Error> {
    Expression::parse(text, &mut |_| Ok(0)).err()
}
